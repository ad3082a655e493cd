"""How a release gets to serve."""

from __future__ import annotations

from typing import Protocol

from fairdeploy.model import Capability, Deployment, Plan, Release, Target

__all__ = ["Strategy"]


class Strategy(Protocol):
    """A pure function from what is wanted and what is there to a plan.

    The same arguments always give an equal plan. It performs no I/O and reads no clock.
    """

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the plan that brings ``release`` to ``target`` from what ``deployment`` says is there.

        Raises:
            UnsupportedCapability: If it cannot be done with these capabilities.
            InvalidInput: If the arguments contradict each other.
        """
        ...

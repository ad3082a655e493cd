"""Stop the old revision before the new one starts, for what must not run twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, final

from fairdeploy.model import (
    Action,
    Capability,
    Check,
    Deployment,
    ErrorRate,
    Plan,
    Release,
    RouterSource,
    Scale,
    Source,
    Split,
    Target,
    Undecided,
)
from fairdeploy.strategies._arguments import Duration, duration, ms, settle
from fairdeploy.strategies._notes import compose
from fairdeploy.strategies._scene import bake, drain, finish, raise_to, scene, shift, verify
from fairdeploy.strategies._shortcuts import shortcut

if TYPE_CHECKING:
    from fairdeploy.model import Step

__all__ = ["Recreate"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recreate:
    """Old and new never run together. There is downtime, also on the way back.

    For singletons: a volume or a database file that only one process may open.

    Durations are a ``timedelta`` or a number of seconds.

    Args:
        verify: Checks on the candidate's own addresses before it gets traffic.
        watch: Time to watch before the promotion.
        analysis: What convicts the candidate once it has traffic. Error rate and latency need a
            router that counts; where none does, a note of the plan says that they are left out.
        keep_warm: Without effect: the old revision has stopped by then. There so that strategies
            can be exchanged.
        ready_deadline: Longest time for instances to get ready; then it goes back.
        min_ready: How long they must have stayed ready.
        on_no_data: What follows while there are too few requests to judge.
        every: Time between two looks of the analysis, at least 10 ms.
        failures: Failing looks in a row that convict; comparisons need one.
        source: Where requests are counted: the router, or `PrometheusSource`, or `BoundSource`.
        undecided: What follows where a comparison has not decided when the whole bake is over.
        on_crash: ``undo`` goes back if the deploying program dies, ``resume`` goes on.

    Raises:
        InvalidInput: If a value is out of range.
    """

    verify: Sequence[Check] = ()
    watch: Duration = timedelta(0)
    analysis: Sequence[Check] = (ErrorRate(),)
    keep_warm: Duration = timedelta(0)
    ready_deadline: Duration = timedelta(minutes=5)
    min_ready: Duration = timedelta(0)
    on_no_data: Action = Action.CONTINUE
    every: Duration = timedelta(seconds=1)
    failures: int = 1
    source: Source = RouterSource()
    undecided: Undecided = Undecided()
    on_crash: Literal["undo", "resume"] = "undo"

    def __post_init__(self) -> None:
        """Prove numbers and durations."""
        settle(self)
        object.__setattr__(self, "watch", duration(self.watch, "watch"))

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the plan that stops what runs and starts ``release`` in its place.

        Raises:
            UnsupportedCapability: If instances cannot be stopped one by one here.
            InvalidInput: If the deployment is another target's.
        """
        of = scene(release, target, deployment, capabilities)
        if short := shortcut(of, self, exclusive=True):
            return short
        steps: list[Step] = []
        if of.routed:
            steps.append(shift(of, "close", None))
        steps.append(drain(of.target, "drain", of.old, 0))
        steps.append(Scale("stop", target=of.id, revision=of.old, replicas=0))
        steps += raise_to(of, self, max(of.warm, of.replicas), ("start", "ready"), first=True)
        steps.append(verify(of, self.verify))
        if of.routed:
            steps.append(shift(of, "open", Split.all_to(of.candidate)))
        steps += bake(of, "watch", ms(self.watch))
        steps += finish(of, 0, left=0)
        down = "there IS downtime, from the drain of the old revision until the new one is ready, and on the way back."
        return compose(of, self, "Recreate", steps, risks=[down], restarts=True, exclusive=True)

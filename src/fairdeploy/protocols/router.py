"""What splits traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fairdeploy.model import Capability, Counters, RevisionId, Routes, Target, Traffic
from fairdeploy.protocols.lease import Fence

__all__ = ["TrafficRouter"]


class TrafficRouter(Protocol):
    """What splits traffic. One routing document per target, applied as a whole."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        ...

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, whether it is served, who is healthy and what is in flight.

        A target never seen has ``written=None``.

        Raises:
            RouterError: If the router cannot be asked.
        """
        ...

    async def check(self, target: Target) -> None:
        """Refuse an endpoint that could not be served, as far as that can be told. Changes nothing.

        Raises:
            InvalidInput: If its address or certificate cannot be used.
            Refused: If another program has it.
        """
        ...

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Write the routing document. Durable; `observe` tells when it is served.

        Starts the router for the target if it does not run. Revisions without a pool lose
        their place. The same document again does nothing.

        Raises:
            RouterError: If it is refused or cannot be written; the last good one stays in force.
        """
        ...

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:
        """Return what was counted per revision with a pool.

        Raises:
            RouterError: If the router cannot be asked: never zeros instead.
        """
        ...

    async def remove(self, target: Target, fence: Fence) -> None:
        """Stop routing for a target and forget it. Nothing to do is no error."""
        ...

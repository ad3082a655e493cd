"""Counters in the memory of this process."""

from __future__ import annotations

import secrets
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, final

from anyio.lowlevel import checkpoint

from fairdeploy.analysis.bursts import Cap, Capping
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Counters, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairdeploy.model import RevisionId, Target, TargetId

__all__ = ["MemorySource"]

_BOUNDS_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0)
"""The default buckets of Prometheus' client libraries."""


@final
class _Tally:
    """What was counted for one revision."""

    def __init__(self, bounds: int) -> None:
        self.requests = self.errors = 0
        self.buckets = [0] * (bounds + 1)


@final
class MemorySource:
    """A `MetricSource` that the program fills itself, with what it hears from elsewhere.

    ::

        heard = MemorySource()
        deployer = Deployer(backend, sources={"heard": heard})
        plan = await deployer.plan(target, release, Canary(source=BoundSource("heard")))

    Args:
        bounds_ms: Upper bounds of the buckets of latency, increasing.
        cap: How many errors of one client count, of those whose client is told; default: all.
        clock: Seconds that never go back; another one only in tests.

    Raises:
        InvalidInput: If the bounds do not increase.
    """

    def __init__(
        self,
        bounds_ms: Sequence[float] = _BOUNDS_MS,
        *,
        cap: Cap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = tuple(float(bound) for bound in bounds_ms)
        if any(low >= high for low, high in zip(self._bounds, self._bounds[1:], strict=False)):
            msg = f"bounds_ms must increase, such as (10, 100, 1000), not {bounds_ms!r}"
            raise InvalidInput(msg)
        self._cap, self._clock = cap, clock
        self._capping = Capping(cap) if cap is not None else None
        self._incarnation = secrets.token_hex(8)
        self._tallies: dict[tuple[TargetId, RevisionId], _Tally] = {}

    def add(
        self,
        target: Target,
        revision: RevisionId,
        *,
        milliseconds: float | None = None,
        error: bool = False,
        client: str | None = None,
    ) -> None:
        """Count one answered request; not one whose client has had its errors counted.

        Args:
            target: Where.
            revision: Who answered.
            milliseconds: To the complete answer; ``None``: not known.
            error: Whether it failed.
            client: Who asked: a session, a user, an address. Kept in memory only, for as long as the cap holds.
        """
        capping = self._capping if error and client is not None else None
        if capping is not None and not capping.keeps((target.id, client), self._clock()):
            return
        tally = self._tallies.setdefault((target.id, revision), _Tally(len(self._bounds)))
        tally.requests += 1
        tally.errors += error
        if milliseconds is not None:
            tally.buckets[bisect_left(self._bounds, milliseconds)] += 1

    async def counters(
        self, target: Target, revisions: frozenset[RevisionId]
    ) -> Mapping[RevisionId, Counters]:
        """See `MetricSource.counters`."""
        await checkpoint()
        found = {revision: self._tallies.get((target.id, revision)) for revision in sorted(revisions)}
        return {revision: self._counters(tally) for revision, tally in found.items() if tally is not None}

    def configuration(self) -> str:
        """See `MetricSource.configuration`."""
        return f"memory {self._bounds}" + (f" {self._cap}" if self._cap is not None else "")

    def _counters(self, tally: _Tally) -> Counters:
        counts, below = [], 0
        for count in tally.buckets:
            below += count
            counts.append(below)
        return Counters(
            requests=tally.requests,
            errors=tally.errors,
            latency=Histogram(bounds_ms=(*self._bounds, float("inf")), counts=tuple(counts)),
            incarnation=self._incarnation,
        )

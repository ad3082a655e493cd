"""What was counted of one revision in a batch, written shortly."""

from __future__ import annotations

from math import inf

from fairdeploy.model import Counters, Histogram

BOUNDS = (10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0)


def counted(requests: int, errors: int = 0) -> Counters:
    """Return requests, some of which failed."""
    return Counters(requests=requests, errors=errors)


def timed(*durations_ms: float, bounds: tuple[float, ...] = (*BOUNDS, inf)) -> Counters:
    """Return requests that took so long."""
    counts = tuple(sum(each <= bound for each in durations_ms) for bound in bounds)
    return Counters(requests=len(durations_ms), latency=Histogram(bounds_ms=bounds, counts=counts))

"""What was counted between two looks."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import inf, isinf

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Counters, Histogram

__all__ = ["difference", "measured", "prove"]


def difference(later: Counters, earlier: Counters) -> Counters | None:
    """Return what was counted in between.

    Returns:
        The difference, or ``None`` if the two do not belong together: counting began anew
        in between (another incarnation), a count fell, or the histogram's bounds changed.
    """
    if later.incarnation != earlier.incarnation:
        return None
    latency = _between(later.latency, _comparable(earlier, later.latency))
    numbers = (
        later.requests - earlier.requests,
        later.errors - earlier.errors,
        later.retries - earlier.retries,
    )
    if latency is None or any(number < 0 for number in numbers):
        return None
    requests, errors, retries = numbers
    return Counters(
        requests=requests,
        errors=errors,
        retries=retries,
        latency=latency,
        incarnation=later.incarnation,
    )


def _comparable(earlier: Counters, latency: Histogram) -> Histogram:
    """Return the earlier histogram; a router that had seen no request may not have told any bounds."""
    if earlier.requests == 0 and not earlier.latency.bounds_ms:
        return Histogram(bounds_ms=latency.bounds_ms, counts=(0,) * len(latency.bounds_ms))
    return earlier.latency


def _between(later: Histogram, earlier: Histogram) -> Histogram | None:
    if later.bounds_ms != earlier.bounds_ms:
        return None
    counts = tuple(a - b for a, b in zip(later.counts, earlier.counts, strict=True))
    if any(count < 0 for count in counts):
        return None
    return Histogram(bounds_ms=later.bounds_ms, counts=counts)


def measured(seen: Counters) -> int:
    """Return how many requests the histogram is about.

    A router may read its counters and its histograms at different moments: one with a last
    bound of infinity says itself how many it holds, and what it lacks is not called slow.
    """
    bounds, counts = seen.latency.bounds_ms, seen.latency.counts
    if bounds and isinf(bounds[-1]):
        return counts[-1]
    return max(seen.requests, counts[-1] if counts else 0)


def prove(seen: Counters) -> None:
    """Do nothing if counters are possible: a wrong number never becomes a verdict.

    Raises:
        InvalidInput: If a number is negative or not whole (NaN, say), there are more errors than
            requests, or the histogram's bounds or counts do not increase.
    """
    numbers = (seen.requests, seen.errors, *seen.latency.counts)
    if set(map(type, numbers)) != {int} or min(numbers) < 0:
        msg = f"counters must be whole numbers from 0 on, not {seen!r}: give what difference() returned"
        raise InvalidInput(msg)
    if seen.errors > seen.requests:
        msg = f"of {seen.requests} requests {seen.errors} cannot have failed: read both at one moment"
        raise InvalidInput(msg)
    bounds, counts = seen.latency.bounds_ms, seen.latency.counts
    if not _increasing(bounds) or list(counts) != sorted(counts):
        msg = f"a histogram's bounds and cumulative counts must increase, unlike {seen.latency!r}"
        raise InvalidInput(msg)


@lru_cache(maxsize=64)
def _increasing(bounds: tuple[float, ...]) -> bool:
    """Whether bounds increase; a router's are the same at every look, and NaN is in no order."""
    return all(low < high for low, high in pairwise((-inf, *bounds)))

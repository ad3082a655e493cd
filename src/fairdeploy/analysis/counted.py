"""What was counted between two looks."""

from __future__ import annotations

from fairdeploy.model import Counters, Histogram

__all__ = ["difference"]


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

"""Latencies in bounded memory."""

from __future__ import annotations

import math

__all__ = ["Histogram"]

_GROWTH = 1.02
_SCALE = 1.0 / math.log(_GROWTH)
_SMALLEST_S = 1e-6
_BUCKETS = 1_200


class Histogram:
    """Durations from 1 µs to about five hours in buckets that grow by 2 %.

    Memory is one list of 1,200 integers, whatever is recorded. A percentile is off by at most 1 %, the maximum is exact.
    """

    __slots__ = ("_buckets", "_count", "_max")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self._count = 0
        self._max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration, in seconds. What is out of range counts in the first or last bucket."""
        index = int(math.log(seconds / _SMALLEST_S) * _SCALE) if seconds > _SMALLEST_S else 0
        self._buckets[min(index, _BUCKETS - 1)] += 1
        self._count += 1
        self._max = max(self._max, seconds)

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return self._count

    @property
    def max(self) -> float:
        """The longest duration in seconds, exactly; 0.0 before the first."""
        return self._max

    def percentile(self, share: float) -> float:
        """Return the duration, in seconds, that `share` (0.0 to 1.0) of all recorded ones did not exceed; 0.0 before the first."""
        if self._count == 0:
            return 0.0
        wanted = max(1, math.ceil(share * self._count))
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                middle = _SMALLEST_S * math.exp((index + 0.5) / _SCALE)
                return min(middle, self._max)
        return self._max

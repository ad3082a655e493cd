"""Time that passes only when everybody waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import anyio

__all__ = ["VirtualClock"]


@final
class VirtualClock:
    """The event loop's own time as wall time, so that ``trio.testing.MockClock`` moves both.

    On an event loop with a real clock it simply runs with it.

    Args:
        start: Wall time when the loop's clock reads 0, in seconds since 1970. Default: 2026-01-01 UTC.
        time: What reads the loop's clock. Default: `anyio.current_time`, on whatever loop it is asked.
    """

    def __init__(
        self, start: float = 1_767_225_600.0, *, time: Callable[[], float] = anyio.current_time
    ) -> None:
        self._start = start
        self._time = time
        self._jump = 0.0

    def wall(self) -> float:
        """Return seconds since 1970, in virtual time."""
        return self._start + self._jump + self._time()

    def monotonic(self) -> float:
        """Return the event loop's time in seconds."""
        return self._time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back, as a careless administrator does; waits are untouched."""
        self._jump += seconds

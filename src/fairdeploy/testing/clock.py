"""Time that passes only when everybody waits."""

from __future__ import annotations

from typing import final

import anyio

__all__ = ["VirtualClock"]


@final
class VirtualClock:
    """The event loop's own time as wall time, so that ``trio.testing.MockClock`` moves both.

    On an event loop with a real clock it simply runs with it.

    Args:
        start: Wall time when the loop's clock reads 0, in seconds since 1970. Default: 2026-01-01 UTC.
    """

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._start = start
        self._jump = 0.0

    def wall(self) -> float:
        """Return seconds since 1970, in virtual time."""
        return self._start + self._jump + anyio.current_time()

    def monotonic(self) -> float:
        """Return the event loop's time in seconds."""
        return anyio.current_time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back, as a careless administrator does; waits are untouched."""
        self._jump += seconds

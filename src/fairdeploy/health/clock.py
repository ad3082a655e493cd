"""The time of this machine, for who gives none."""

from __future__ import annotations

import time
from typing import final

import anyio

__all__ = ["LoopClock"]


@final
class LoopClock:
    """Wall time of this machine, and the event loop's own monotonic time."""

    def wall(self) -> float:
        """Return seconds since 1970 as this machine has them. May jump."""
        return time.time()

    def monotonic(self) -> float:
        """Return the event loop's time in seconds."""
        return anyio.current_time()

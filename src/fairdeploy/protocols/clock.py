"""Time, given and never taken."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Wall time for records and leases, monotonic time for waits."""

    def wall(self) -> float:
        """Return seconds since 1970. May jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, from any origin; the scale of ``anyio.sleep``."""
        ...

"""The time of this machine, and what becomes of a date when its wall clock is set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from fairdeploy.protocols import Clock

__all__ = ["Moment", "SystemClock", "boot"]

_JUMP_MS: Final = 1_000
"""From where on the wall clock was set, and not only steered (by NTP, at most 0.5 ms a second)."""


@final
class SystemClock:
    """Real time, as `protocols.Clock` wants it."""

    def wall(self) -> float:
        """Return seconds since 1970 as this machine has them. May jump."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump, from any origin."""
        return time.monotonic()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment by both clocks.

    Args:
        ms: By the wall clock, milliseconds since 1970.
        ahead_ms: How far the wall clock is ahead of the one that never jumps.
    """

    ms: int
    ahead_ms: int

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        """Return the present moment."""
        wall = int(clock.wall() * 1000)
        return cls(ms=wall, ahead_ms=wall - int(clock.monotonic() * 1000))

    def date(self, written_ms: int, ahead_ms: int) -> int:
        """Return a date of this machine as its wall clock would say it now.

        Args:
            written_ms: As it was written.
            ahead_ms: How far the wall clock was ahead then.
        """
        jumped_ms = self.ahead_ms - ahead_ms
        return written_ms + jumped_ms if abs(jumped_ms) > _JUMP_MS else written_ms


@cache
def boot() -> str:
    """Return what is the same for all programs that share a clock which never jumps; empty if that cannot be told."""
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{kernel}:{Path('/proc/self/ns/time').stat().st_ino}"
    except OSError:
        return ""

"""The time of this machine."""

from __future__ import annotations

import time
from typing import final

__all__ = ["SystemClock"]


@final
class SystemClock:
    """Real time, as `protocols.Clock` wants it."""

    def wall(self) -> float:
        """Return seconds since 1970 as this machine has them. May jump."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump, from any origin."""
        return time.monotonic()

"""The bounds of a load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidInput

__all__ = ["LoadSettings", "Pace"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How requests follow each other: exactly one of the two."""

    rate: float | None = None
    """Open loop: requests per second, started on schedule whatever the answers."""
    workers: int | None = None
    """Closed loop: so many at a time, each waiting for its answer before the next (and 10 ms after a lost one)."""

    def __post_init__(self) -> None:
        """Check the values."""
        if (self.rate is None) == (self.workers is None):
            msg = f"rate={self.rate!r} and workers={self.workers!r}: give one of them, rate for an open loop, workers for a closed one"
            raise InvalidInput(msg)
        _check_positive(rate=self.rate, workers=self.workers)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """How far a load may go, and what it looks at."""

    max_requests: int = 1_000_000
    """The load ends by itself after so many."""
    max_seconds: float | None = None
    """The load ends by itself after so long."""
    max_in_flight: int = 2_000
    """Open loop: beyond this, what is due is not sent but counted in `not_started["in_flight_limit"]`."""
    pool_size: int = 32
    """Persistent connections that are kept; when all are busy, more are opened and closed after use."""
    visitors: int = 20
    """Cookie jars for traffic with `session=True`."""
    seed: int = 0
    """Chooses the order of the mix."""
    revision_header: str = "x-revision"
    """The response header that names the revision."""
    marker: str | None = None
    """A response header that only the application's answers have; None takes `revision_header`. See `answered_by_app`."""
    max_lost: int = 1_000
    """Lost requests that are kept one by one; all are counted."""
    stop_within: float = 30.0
    """Seconds that stopping waits for answers; what is still unanswered then is lost as `unfinished`."""

    def __post_init__(self) -> None:
        """Check the values."""
        _check_positive(
            max_requests=self.max_requests,
            max_seconds=self.max_seconds,
            max_in_flight=self.max_in_flight,
            pool_size=self.pool_size,
            visitors=self.visitors,
        )
        if self.max_lost < 0 or self.stop_within < 0:
            msg = f"max_lost={self.max_lost!r}, stop_within={self.stop_within!r}: expected 0 or more"
            raise InvalidInput(msg)
        if not self.revision_header or self.marker == "":
            msg = f"revision_header={self.revision_header!r}, marker={self.marker!r}: expected the name of a response header"
            raise InvalidInput(msg)


def _check_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            msg = f"{name}={value!r}: expected a number above 0"
            raise InvalidInput(msg)

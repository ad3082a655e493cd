"""Checks that judge one revision from the router's counters, by a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check.scope import Scope

__all__ = ["ErrorRate", "Latency"]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_data(requests: int, window: int | None) -> None:
    _check.whole(requests, "min_requests", low=1)
    if window is not None:
        _check.whole(window, "window_ms", low=100)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """The revision's share of answers with status 500 or more, as the router counts them.

    Counting begins anew with every change of the split, so that a burst at one weight is
    not thinned out by the traffic of another.

    Args:
        max_percent: Highest share that passes, 0 to 100. Default 1 (Flagger's default asks
            for 99 % successes).
        min_requests: Below this many requests the verdict is ``no_data``.
        window_ms: Look at the last so many milliseconds; ``None``: all since the split changed.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    max_percent: float = 1.0
    min_requests: int = 100
    window_ms: int | None = None
    kind: Literal["error_rate"] = "error_rate"

    def __post_init__(self) -> None:
        """Prove the range; a whole percent is stored as a float, so that hashes agree."""
        if not _is_number(self.max_percent) or not 0 <= self.max_percent < 100:
            msg = f"max_percent must be from 0 to below 100, not {self.max_percent!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "max_percent", float(self.max_percent))
        _check_data(self.min_requests, self.window_ms)

    @property
    def scope(self) -> Scope:
        """Always about one revision."""
        return "revision"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A percentile of the time to the complete answer, as the router measures it.

    Args:
        max_ms: Highest value that passes. Compared with the router's own bucket bounds: the
            percentile is known only up to the next bound, and the bound is what is compared.
        percentile: 0 < p < 100. Default 99 (as in Flagger).
        min_requests: Below this many requests the verdict is ``no_data``.
        window_ms: Look at the last so many milliseconds; ``None``: all since the split changed.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    max_ms: int = 500
    percentile: float = 99.0
    min_requests: int = 100
    window_ms: int | None = None
    kind: Literal["latency"] = "latency"

    def __post_init__(self) -> None:
        """Prove the range."""
        _check.whole(self.max_ms, "max_ms", low=1)
        if not _is_number(self.percentile) or not 0 < self.percentile < 100:
            msg = f"percentile must be between 0 and 100, not {self.percentile!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "percentile", float(self.percentile))
        _check_data(self.min_requests, self.window_ms)

    @property
    def scope(self) -> Scope:
        """Always about one revision."""
        return "revision"

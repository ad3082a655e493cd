"""What a comparison says to people."""

from __future__ import annotations

from functools import lru_cache
from math import exp
from typing import TYPE_CHECKING

from fairdeploy.model import CheckResult, Verdict

if TYPE_CHECKING:
    from fairdeploy.analysis.evidence import Interval
    from fairdeploy.analysis.state import State
    from fairdeploy.model.canonical import JSON

__all__ = ["beside", "e_value", "ratio", "recorded", "too_few"]

_LARGEST = 25.0
"""Log e-value (7e10) above which a larger one says nothing more."""


@lru_cache(maxsize=1024)  # bounds are of a grid
def beside(bounds: Interval, whose: str = "stable's") -> str:
    """Say an interval of ratios: ``2–8 × stable's``."""
    lower, upper = bounds
    if upper is None:
        return f"more than {ratio(lower)} × {whose}" if lower else f"not yet to be told from {whose}"
    return f"{ratio(lower)}–{ratio(upper)} × {whose}" if lower else f"less than {ratio(upper)} × {whose}"


def recorded(bounds: Interval) -> list[JSON]:
    """Return an interval as evidence: with four digits, and ``None`` where it has no upper end."""
    return [None if each is None else _rounded(each) for each in bounds]


@lru_cache(maxsize=1024)  # as above
def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def ratio(value: float) -> str:
    """Say a ratio with two digits: ``2``, ``2.5``, ``0.79``, ``79``."""
    return f"{value:.2g}"


def e_value(log_value: float) -> float:
    """Return an e-value as it is recorded: with four digits, and bounded."""
    return float(f"{exp(min(log_value, _LARGEST)):.4g}")


def too_few(state: State, wanted: int) -> CheckResult:
    """Return the verdict where there are not enough requests to say anything."""
    return CheckResult(
        Verdict.NO_DATA,
        f"{state.candidate} requests beside {state.baseline} of stable's: {wanted} of each are wanted",
        evidence={"requests": [state.candidate, state.baseline], "min_requests": wanted},
    )

"""Which checks are judged from counters, and not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fairdeploy.model.check.comparison import Comparison, ErrorComparison, LatencyComparison, SampleRatio
from fairdeploy.model.check.threshold import ErrorRate, Latency

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = ["Threshold", "is_comparison", "is_counted", "is_threshold"]

Threshold: TypeAlias = ErrorRate | Latency
"""A check that judges the candidate alone, by a number that was agreed on."""


def is_threshold(check: object) -> TypeIs[Threshold]:
    """Whether a check is a threshold on counters."""
    return isinstance(check, (ErrorRate, Latency))


def is_comparison(check: object) -> TypeIs[Comparison]:
    """Whether a check compares candidate and baseline."""
    return isinstance(check, (ErrorComparison, LatencyComparison, SampleRatio))


def is_counted(check: object) -> TypeIs[Threshold | Comparison]:
    """Whether a check is judged from counters."""
    return is_threshold(check) or is_comparison(check)

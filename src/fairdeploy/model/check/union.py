"""Any check that a plan can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias, get_args

from fairdeploy.model._tagged import Tagged
from fairdeploy.model.check.bound import BoundCheck
from fairdeploy.model.check.command import CommandCheck
from fairdeploy.model.check.comparison import ErrorComparison, LatencyComparison, SampleRatio
from fairdeploy.model.check.http import HTTPCheck
from fairdeploy.model.check.tcp import TCPCheck
from fairdeploy.model.check.threshold import ErrorRate, Latency

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = ["Check", "is_data"]

Check: TypeAlias = Annotated[
    HTTPCheck
    | TCPCheck
    | CommandCheck
    | BoundCheck
    | ErrorRate
    | Latency
    | ErrorComparison
    | LatencyComparison
    | SampleRatio,
    Tagged(),
]
"""Any check that a plan can carry."""

_KINDS: tuple[type, ...] = get_args(get_args(Check)[0])


def is_data(value: object) -> TypeIs[Check]:
    """Whether a check travels in a plan; any other is a callable, bound by its name."""
    return isinstance(value, _KINDS)

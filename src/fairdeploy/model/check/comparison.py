"""Checks that judge the candidate beside the baseline, from the router's counters, over a whole rollout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check.scope import Scope

__all__ = ["Comparison", "ErrorComparison", "LatencyComparison", "SampleRatio", "share_alpha"]

_WIDEST = 50.0
"""Largest ratio that can be tolerated or be a margin: evidence is kept for ratios up to 100."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorComparison:
    """The candidate's odds of an error (status 500 or more) beside the baseline's, at the same time.

    The test is sequential: it may be looked at after every request, and a candidate that is not
    worse is convicted with a probability of at most ``alpha`` in the whole rollout, whatever the
    weights, the base rate and its changes. It needs both revisions to serve at the same time;
    at 0 % or 100 % it learns nothing.

    A small error rate's odds are the rate: twice the odds of 0.1 % is 0.2 %.

    Args:
        alpha: Highest probability of a false ``fail`` per rollout, 0 to 0.5. Default 0.05.
        tolerated: Odds ratio up to which the candidate is not worse, 0.5 to 50. Default 1.
        margin: Odds ratio below which a proven candidate passes, above ``tolerated``, up to 50.
            Default 3: a margin of 1.5 takes about six times the traffic.
        beta: Highest probability of a false ``pass``, 0 to 0.5. Default 0.05.
        negligible_percent: A candidate that is proven to have fewer errors than this passes as
            well, whatever the ratio (a ratio to no errors at all is never known), 0 (never) to
            below 100. Default 0.1, the error budget of 99.9 % availability.
        burst: Most errors that one cause brings together (a client that tries again, a worker
            that dies with its requests), 1 to 1,000. Default 1: errors are independent of each
            other. Requests to a verdict grow in proportion.
        min_requests: Below this many requests of either revision the verdict is ``no_data``.
            Default 1: the test is valid however few there are.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    alpha: float = 0.05
    tolerated: float = 1.0
    margin: float = 3.0
    beta: float = 0.05
    negligible_percent: float = 0.1
    burst: float = 1.0
    min_requests: int = 1
    kind: Literal["error_comparison"] = "error_comparison"

    def __post_init__(self) -> None:
        """Prove the ranges; whole numbers are stored as floats, so that hashes agree."""
        _prove(self)
        _keep(self, "negligible_percent", low=0, below=100)

    @property
    def scope(self) -> Scope:
        """Always about one revision."""
        return "revision"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyComparison:
    """The candidate's odds of a slow answer beside the baseline's, at the same time.

    For each quantile of what both have answered until now, the router's nearest bucket bound is
    the threshold; what takes longer is counted as in `ErrorComparison`, and the evidence of all
    quantiles is averaged. A change that moves no request over a bound cannot be seen.

    Args:
        alpha: Highest probability of a false ``fail`` per rollout, 0 to 0.5. Default 0.05.
        quantiles: Each between 0 and 1, increasing. Default 0.5, 0.9 and 0.99.
        tolerated: Odds ratio of a slow answer up to which the candidate is not worse, 0.5 to 50.
            Default 1.
        margin: Odds ratio below which, at every quantile, a proven candidate passes, above
            ``tolerated``, up to 50. Default 3.
        beta: Highest probability of a false ``pass``, 0 to 0.5. Default 0.05.
        burst: Most slow answers that one cause brings together (a pause of the collector, a full
            queue), 1 to 1,000. Default 1. Requests to a verdict grow in proportion.
        min_requests: Below this many measured requests of either revision the verdict is
            ``no_data``. Default 1.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    alpha: float = 0.05
    quantiles: tuple[float, ...] | list[float] = (0.5, 0.9, 0.99)
    tolerated: float = 1.0
    margin: float = 3.0
    beta: float = 0.05
    burst: float = 1.0
    min_requests: int = 1
    kind: Literal["latency_comparison"] = "latency_comparison"

    def __post_init__(self) -> None:
        """Prove the ranges; a list of quantiles is stored as a tuple."""
        _prove(self)
        given = self.quantiles
        if (
            not isinstance(given, (list, tuple))
            or not given
            or not all(_is_number(each) and 0 < each < 1 for each in given)
            or list(given) != sorted(set(given))
        ):
            msg = f"quantiles must be increasing numbers between 0 and 1, such as (0.5, 0.9, 0.99), not {given!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "quantiles", tuple(float(each) for each in given))

    @property
    def scope(self) -> Scope:
        """Always about one revision."""
        return "revision"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio:
    """Whether the requests that each revision got are split as the router was told.

    A sample ratio mismatch says that the data plane does something else (a router that did not
    take the weights, visitors that stick, a cache in between): numbers that compare the revisions
    then mean less. It is no fault of the candidate, so a ``fail`` holds.

    Args:
        alpha: Highest probability of a false ``fail`` per rollout, 0 to 0.5. Default 0.001: much
            is counted, so small deviations are found anyway.
        tolerated: Odds ratio of candidate to baseline, either way, that counts as told, 1.01 to
            10. Default 1.25: at 5 % from 4.0 to 6.2 %.
        margin: A ratio proven to be within this, either way, passes; above ``tolerated``, up to
            10. Default 1.5.
        beta: Highest probability of a false ``pass``, 0 to 0.5. Default 0.001.
        burst: Most requests that go the same way together (the requests of a visitor who sticks,
            of a connection), 1 to 1,000. Default 1: each request is sent for itself.
        min_requests: Below this many requests of both together the verdict is ``no_data``.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    alpha: float = 0.001
    tolerated: float = 1.25
    margin: float = 1.5
    beta: float = 0.001
    burst: float = 1.0
    min_requests: int = 100
    kind: Literal["sample_ratio"] = "sample_ratio"

    def __post_init__(self) -> None:
        """Prove the ranges; whole numbers are stored as floats, so that hashes agree."""
        _prove(self, low=1.01, high=10)

    @property
    def scope(self) -> Scope:
        """The router is everybody's."""
        return "shared"


Comparison: TypeAlias = ErrorComparison | LatencyComparison | SampleRatio
"""A check that compares two revisions over a whole rollout: it needs a state that is carried along."""

_C = TypeVar("_C", ErrorComparison, LatencyComparison, ErrorComparison | LatencyComparison)


def share_alpha(*checks: _C, alpha: float = 0.05) -> tuple[_C, ...]:
    """Return the checks with equal parts of one probability of a false ``fail``.

    Whichever of them convicts, a rollout of a candidate that is not worse is then convicted with
    a probability of at most ``alpha`` (Bonferroni; the checks may depend on each other).

    Args:
        checks: What is compared.
        alpha: Of all together, 0 to 0.5.

    Raises:
        InvalidInput: If ``alpha`` is out of range.

    Example:
        >>> [check.alpha for check in share_alpha(ErrorComparison(), LatencyComparison())]
        [0.025, 0.025]
    """
    return tuple(replace(check, alpha=alpha / len(checks)) for check in checks)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _keep(check: Comparison, name: str, *, low: float, high: float | None = None, below: float = 0.0) -> None:
    """Store a number in range as a float (``high`` is allowed, ``below`` is not).

    Raises:
        InvalidInput: If it is not.
    """
    value = getattr(check, name)
    top = below if high is None else high
    if not _is_number(value) or not low <= value <= top or (high is None and value == below):
        words = f"from {low:g} to {top:g}" if high is not None else f"from {low:g} to below {top:g}"
        msg = f"{name} must be {words}, not {value!r}"
        raise InvalidInput(msg)
    object.__setattr__(check, name, float(value))


def _prove(check: Comparison, *, low: float = 0.5, high: float = _WIDEST) -> None:
    for name in ("alpha", "beta"):
        value = getattr(check, name)
        if not _is_number(value) or not 0 < value <= 0.5:
            msg = f"{name} must be above 0 and at most 0.5, not {value!r}"
            raise InvalidInput(msg)
        object.__setattr__(check, name, float(value))
    for name in ("tolerated", "margin"):
        _keep(check, name, low=low, high=high)
    if check.margin <= check.tolerated:
        msg = f"margin must be above tolerated ({check.tolerated!r}), not {check.margin!r}"
        raise InvalidInput(msg)
    _keep(check, "burst", low=1, high=1_000)
    _check.whole(check.min_requests, "min_requests", low=1)

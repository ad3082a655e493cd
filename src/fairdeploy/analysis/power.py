"""How much traffic a verdict takes, worked out from the test itself.

The evidence is followed along a path that is a little unlucky: errors of both revisions are those
expected, moved against the verdict by as many standard deviations as the probability asks for (the
first-order reliability method). On it the log-likelihood of an odds ratio has its large-sample value:
minus the relative entropy between what was counted and the likeliest rates with that ratio. No chance
is involved, and it takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, final

from fairdeploy.analysis.errors import log_rarer
from fairdeploy.analysis.evidence import Evidence, log_mean, weigh
from fairdeploy.analysis.odds import mean_events, odds_grid
from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    WHOLE,
    Bake,
    Detection,
    ErrorComparison,
    LatencyComparison,
    Plan,
    Power,
    Shift,
    Stage,
    TargetId,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["power", "stages", "with_power"]

_FAULTS = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1)
"""Error rates in percent that are looked for, as far as they are above the baseline's."""

_RATIOS = (10.0, 3.0, 1.5)
"""Odds ratios of slow answers that are looked for."""

_LONGEST = 1_000.0
"""A verdict that takes so many times the rollout is called unreachable."""

_ALL = 0.9999
"""Rate that stands for 100 %."""

_LEAST = 1e-9
"""A count that stands for none."""


@final
@dataclass(frozen=True, slots=True)
class _Cell:
    """One stage, as the four counts that evidence is made of; they need not be whole."""

    failed: float
    served: float
    failed_baseline: float
    served_baseline: float

    def log_likelihood(self, psi: float) -> float:
        rest = 0.0
        for count, likely in zip(self.counts(), self._likely(psi), strict=True):
            if count > 0:
                rest -= count * log(count / likely)
        return rest

    def slopes(self, psi: float) -> tuple[float, ...]:
        """Return how the log-likelihood of a ratio, against that of 1, grows with each count."""
        return tuple(log(a / b) for a, b in zip(self._likely(psi), self._likely(1.0), strict=True))

    def moved(self, by: tuple[float, ...]) -> _Cell:
        return _Cell(
            *(max(count * (1 + part), _LEAST) for count, part in zip(self.counts(), by, strict=True))
        )

    def counts(self) -> tuple[float, ...]:
        return (self.failed, self.served, self.failed_baseline, self.served_baseline)

    def _likely(self, psi: float) -> tuple[float, ...]:
        n, m = self.failed + self.served, self.failed_baseline + self.served_baseline
        k = self.failed + self.failed_baseline
        mean = mean_events(psi, n, k, m)
        return (mean, n - mean, k - mean, m - k + mean)


@final
@dataclass(frozen=True, slots=True)
class _Traffic:
    """Stages in which both serve, and how unlucky the path is, in standard deviations."""

    stages: tuple[Stage, ...]
    rate: float
    unlucky: float

    @property
    def seconds(self) -> float:
        return sum(stage.duration_ms for stage in self.stages) / 1_000

    def cells(self, seconds: float, candidate: float, baseline: float) -> list[_Cell]:
        """Return what is counted until then: stage after stage, and all prolonged alike after the last."""
        factor = max(1.0, seconds / self.seconds)
        found, left = [], seconds
        for stage in self.stages:
            lasts = min(left, factor * stage.duration_ms / 1_000)
            left -= lasts
            n = lasts * self.rate * stage.weight
            m = lasts * self.rate - n
            if lasts > 0:
                found.append(_Cell(n * candidate, n * (1 - candidate), m * baseline, m * (1 - baseline)))
        return found

    def unluckily(self, cells: list[_Cell], psi: float, way: int) -> list[_Cell]:
        """Return the cells moved so that the evidence for ``psi`` falls (``way`` -1) or grows (1)."""
        slopes = [cell.slopes(psi) for cell in cells]
        spread = sqrt(
            sum(
                count * slope**2
                for cell, row in zip(cells, slopes, strict=True)
                for count, slope in zip(cell.counts(), row, strict=True)
            )
        )
        by = way * self.unlucky / spread if spread else 0.0
        return [
            cell.moved(tuple(by * slope for slope in row)) for cell, row in zip(cells, slopes, strict=True)
        ]

    def until(self, reached: Callable[[float], bool]) -> float | None:
        """Return the first time at which something is reached, which stays so."""
        low, high = 0.0, self.seconds
        while not reached(high):
            low, high = high, 2 * high
            if high > _LONGEST * self.seconds:
                return None
        while high - low > 0.01 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high


def stages(plan: Plan, target: TargetId | None = None) -> tuple[Stage, ...]:
    """Return the times of a plan in which the candidate has traffic, each with its split.

    Args:
        plan: The plan.
        target: Of which target, if there are several; ``None``: the first.
    """
    base = plan.bases[0] if target is None else plan.base(target)
    found: list[Stage] = []
    weight = 0
    for step in plan.steps:
        if isinstance(step, Shift) and step.target == base.target.id:
            weight = step.split.share(base.candidate or "") if step.split else 0
        elif isinstance(step, Bake) and weight:
            found.append(Stage(basis_points=weight, duration_ms=step.duration_ms))
    return tuple(found)


def with_power(plan: Plan, *, requests_per_second: float, error_percent: float = 0.1) -> Plan:
    """Return the plan with notes on what its comparisons can and cannot tell from such traffic.

    Args:
        plan: The plan.
        requests_per_second: Of all revisions of a target together.
        error_percent: The baseline's error rate.

    Raises:
        InvalidInput: If a number is out of range.
    """
    notes = [
        f"{guard.id}: {line}"
        for guard in plan.guards
        if isinstance(guard.check, (ErrorComparison, LatencyComparison))
        for line in str(
            power(
                guard.check,
                stages(plan, guard.target),
                requests_per_second=requests_per_second,
                error_percent=error_percent,
            )
        ).splitlines()
    ]
    return replace(plan, notes=(*plan.notes, *notes))


def power(
    check: ErrorComparison | LatencyComparison,
    stages: Sequence[Stage],
    *,
    requests_per_second: float,
    error_percent: float = 0.1,
    probability: float = 0.8,
) -> Power:
    """Return what a comparison can tell from this traffic, and when.

    Args:
        check: The comparison.
        stages: Splits and times, as `stages` reads them from a plan. Those at 0 or 100 % tell nothing.
        requests_per_second: Of both revisions together, above 0.
        error_percent: The baseline's error rate, above 0 and below 100; latency does not need it.
        probability: With which a fault is to be found, or a pass reached: 0.5 to below 1.

    Raises:
        InvalidInput: If a number is out of range.
    """
    for value, name, low, high in (
        (requests_per_second, "requests_per_second", 0.0, 1e9),
        (error_percent, "error_percent", 0.0, 100.0),
        (probability, "probability", 0.4999, 1.0),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value < high:
            msg = f"{name} must be above {low:g} and below {high:g}, not {value!r}"
            raise InvalidInput(msg)
    traffic = _Traffic(
        tuple(stage for stage in stages if 0 < stage.basis_points < WHOLE and stage.duration_ms),
        requests_per_second,
        NormalDist().inv_cdf(probability),
    )
    if isinstance(check, ErrorComparison):
        faults = [("errors", each / 100, error_percent / 100) for each in _FAULTS if each > error_percent]
        normal = [error_percent / 100]
    else:
        faults = [
            (f"answers slower than p{100 * quantile:g}", _raised(1 - quantile, ratio), 1 - quantile)
            for ratio in _RATIOS
            for quantile in check.quantiles
        ]
        normal = [1 - quantile for quantile in check.quantiles]
    passes = [_until_pass(check, traffic, rate) for rate in normal] if traffic.stages else [None]
    return Power(
        requests_per_second=requests_per_second,
        seconds=traffic.seconds,
        requests=round(traffic.seconds * requests_per_second),
        percent=error_percent if isinstance(check, ErrorComparison) else None,
        probability=probability,
        detections=tuple(_detection(check, traffic, *fault) for fault in faults),
        pass_seconds=None if None in passes else max(each for each in passes if each is not None),
    )


def _raised(rate: float, ratio: float) -> float:
    """Return the rate whose odds are so many times another's."""
    return ratio * rate / (1 - rate + ratio * rate)


def _detection(
    check: ErrorComparison | LatencyComparison,
    traffic: _Traffic,
    event: str,
    candidate: float,
    baseline: float,
) -> Detection:
    rate = min(candidate, _ALL)
    psi = rate * (1 - baseline) / (1 - rate) / baseline
    # Evidence of one quantile is averaged with that of others, which may have none.
    tests = 1 if isinstance(check, ErrorComparison) else len(check.quantiles)

    def found(seconds: float) -> bool:
        cells = traffic.unluckily(traffic.cells(seconds, rate, baseline), psi, -1)
        return _evidence(check, cells).against_at_most(check.tolerated) >= log(tests / check.alpha)

    seconds = traffic.until(found) if traffic.stages and psi > check.tolerated else None
    return Detection(
        event=event,
        percent=100 * candidate,
        odds_ratio=psi,
        seconds=seconds,
        found=seconds is not None and seconds <= traffic.seconds,
    )


def _until_pass(check: ErrorComparison | LatencyComparison, traffic: _Traffic, rate: float) -> float | None:
    """Return when a candidate that is like the baseline has passed."""

    def passed(seconds: float) -> bool:
        cells = traffic.unluckily(traffic.cells(seconds, rate, rate), check.margin, 1)
        within = _evidence(check, cells).against_at_least(check.margin)
        if isinstance(check, ErrorComparison) and check.negligible_percent:
            failed = sum(cell.failed for cell in cells)
            rarer = log_rarer(check, failed, failed + sum(cell.served for cell in cells))
            within = log_mean([within, rarer])
        return within >= -log(check.beta)

    return traffic.until(passed)


def _evidence(check: ErrorComparison | LatencyComparison, cells: list[_Cell]) -> Evidence:
    grid = odds_grid(check.tolerated, check.margin)
    return weigh(grid, tuple(sum(cell.log_likelihood(psi) for cell in cells) for psi in grid), check.burst)

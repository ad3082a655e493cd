"""How others decide, each written from its published rule; beside them ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log, sqrt
from statistics import NormalDist
from typing import Protocol

import numpy as np

from fairdeploy.analysis import add, begin, conclude
from fairdeploy.model import Counters, ErrorComparison, Verdict

__all__ = ["INTERVAL", "Oracle", "Rule", "rules", "side_of", "wald"]

INTERVAL = 600
"""Requests of both revisions in one interval of the rules that know intervals: a minute at 10/s."""


class Rule(Protocol):
    """What looks at a rollout."""

    def look(self, x: int, n: int, y: int, m: int, weight: float) -> bool:
        """Take in what was counted since the last look (errors and requests, both revisions): is it convicted?"""
        ...


@dataclass
class Ours:
    """`ErrorComparison`."""

    alpha: float
    burst: float = 1.0

    def __post_init__(self) -> None:
        """Begin."""
        self.check = ErrorComparison(alpha=self.alpha, burst=self.burst)
        self.state = begin(self.check)

    def look(self, x: int, n: int, y: int, m: int, weight: float) -> bool:
        """Add; only errors can convict, so only then is there something to conclude."""
        self.state = add(
            self.check,
            self.state,
            Counters(requests=n, errors=x),
            Counters(requests=m, errors=y),
            weight=weight,
        )
        return bool(x) and conclude(self.check, self.state).verdict is Verdict.FAIL


@dataclass
class Pooled:
    """Counts pooled over the whole rollout, and a test of their difference at each look."""

    test: Callable[[float, float, int, int, int], bool]
    x: int = 0
    n: int = 0
    y: int = 0
    m: int = 0

    def look(self, x: int, n: int, y: int, m: int, weight: float) -> bool:  # noqa: ARG002 - they pool over weights
        """Test the pooled difference of error rates, once both have served and five requests failed."""
        self.x, self.n, self.y, self.m = self.x + x, self.n + n, self.y + y, self.m + m
        if not self.n or not self.m or self.x + self.y < 5:
            return False
        p, q = self.x / self.n, self.y / self.m
        variance = p * (1 - p) / self.n + q * (1 - q) / self.m
        return p > q and variance > 0 and self.test(p - q, variance, self.n, self.m, self.x + self.y)


def growthbook(alpha: float) -> Rule:
    """GrowthBook's one-sided sequential test: an asymptotic confidence sequence, N* = 5000.

    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv:2103.06476v7; growthbook/gbstats,
    frequentist/tests.py (SequentialOneSidedTreatmentGreaterTTest).
    """
    rho = sqrt((-2 * log(2 * alpha) + log(-2 * log(2 * alpha) + 1)) / 5_000)

    def test(difference: float, variance: float, n: int, m: int, errors: int) -> bool:  # noqa: ARG001 - asymptotic
        total = (n + m) * rho**2
        width = sqrt(
            variance
            * (n + m)
            * 2
            * (total + 1)
            / ((n + m) * rho) ** 2
            * log(1 + sqrt(total + 1) / (2 * alpha))
        )
        return difference > width

    return Pooled(test)


def msprt(alpha: float) -> Rule:
    """The mixture sequential probability ratio test of two proportions, tau = 0.01.

    Johari, Koomen, Pekelis, Walsh, "Always valid inference", Operations Research 70(3), 2022.
    """
    tau = 0.01**2

    def test(difference: float, variance: float, n: int, m: int, errors: int) -> bool:  # noqa: ARG001 - asymptotic
        ratio = 0.5 * log(variance / (variance + tau)) + tau * difference**2 / (
            2 * variance * (variance + tau)
        )
        return ratio >= log(1 / alpha)

    return Pooled(test)


def peeked_z(alpha: float) -> Rule:
    """The z-test of two proportions, one-sided, looked at each time although it was made for one look."""
    needed = NormalDist().inv_cdf(1 - alpha)

    def test(difference: float, variance: float, n: int, m: int, errors: int) -> bool:  # noqa: ARG001 - pooled below
        rate = errors / (n + m)
        return difference > needed * sqrt(rate * (1 - rate) * (1 / n + 1 / m))

    return Pooled(test)


@dataclass
class Interval:
    """A rule that looks once an interval at what the interval held."""

    judge: Callable[[list[tuple[float, float]]], bool]
    seen: list[tuple[float, float]] = field(default_factory=list)
    x: int = 0
    n: int = 0
    y: int = 0
    m: int = 0

    def look(self, x: int, n: int, y: int, m: int, weight: float) -> bool:  # noqa: ARG002 - they do not ask for it
        """Wait for the interval's end; then judge the rates of all intervals until now."""
        self.x, self.n, self.y, self.m = self.x + x, self.n + n, self.y + y, self.m + m
        if self.n + self.m < INTERVAL:
            return False
        if self.n and self.m:
            self.seen.append((self.x / self.n, self.y / self.m))
        self.x = self.n = self.y = self.m = 0
        return self.judge(self.seen)


def flagger(alpha: float) -> Rule:  # noqa: ARG001 - a threshold knows no error probability
    """Flagger's defaults: request-success-rate at least 99 %, rolled back at the fifth failed check, all counted."""
    return Interval(lambda seen: sum(rate > 0.01 for rate, _ in seen) >= 5)


def argo(alpha: float) -> Rule:  # noqa: ARG001 - a threshold knows no error probability
    """Argo Rollouts' documented example: success at least 95 %, failureLimit 3, so the fourth failure fails."""
    return Interval(lambda seen: sum(rate > 0.05 for rate, _ in seen) > 3)


def kayenta(alpha: float) -> Rule:  # noqa: ARG001 - its confidence level is its own
    """Kayenta's Mann-Whitney classifier on one point an interval, judged at each, growing window.

    spinnaker/kayenta, MannWhitneyClassifier: confidence 0.98, tolerance 0.25; the interval of the
    shift is where the statistic meets the normal quantile, which is an order statistic of all
    differences; High if its lower end exceeds 0.25 of the Hodges-Lehmann estimate.
    """
    z = NormalDist().inv_cdf(0.99)

    def judge(seen: list[tuple[float, float]]) -> bool:
        n = len(seen)
        if n < 2:
            return False
        pairs = np.array(seen)
        differences = np.sort(np.subtract.outer(pairs[:, 0], pairs[:, 1]).ravel())
        spread = sqrt(n * n * (2 * n + 1) / 12)
        rank = int(n * n / 2 - 0.5 - z * spread)
        if rank < 0:
            return False
        low, middle = float(differences[rank]), float(np.median(differences))
        return low > 0.25 * abs(middle) and low > 0

    return Interval(judge)


@dataclass
class Oracle:
    """Wald's sequential probability ratio test of the side of each error, told both rates and the weight."""

    alpha: float
    side: float
    ratio: float = 0.0

    def look(self, x: int, n: int, y: int, m: int, weight: float) -> bool:  # noqa: ARG002 - errors alone decide
        """Add each error's likelihood ratio."""
        self.ratio += x * log(self.side / weight)
        if y:
            self.ratio += y * log((1 - self.side) / (1 - weight))
        return self.ratio >= log(1 / self.alpha)


def side_of(baseline: float, candidate: float, weight: float) -> float:
    """Return the probability that an error is the candidate's."""
    return weight * candidate / (weight * candidate + (1 - weight) * baseline)


def rules() -> dict[str, Callable[[float], Rule]]:
    """Return all, by name; each makes a fresh one for an alpha."""
    return {
        "ours": Ours,
        "ours, burst=5": lambda alpha: Ours(alpha, burst=5),
        "GrowthBook sequential": growthbook,
        "mSPRT": msprt,
        "z-test, peeked": peeked_z,
        "Flagger 99 %, 5 checks": flagger,
        "Argo 95 %, limit 3": argo,
        "Kayenta Mann-Whitney": kayenta,
    }


def wald(alpha: float, baseline: float, candidate: float, weight: float) -> float:
    """Return Wald's bound on the mean number of requests, for a test that knows both rates.

    Wald 1945: ``log(1 / alpha)`` over the information in one request, which is that of an error's side.
    """
    rate = weight * candidate + (1 - weight) * baseline
    side = side_of(baseline, candidate, weight)
    bits = side * log(side / weight) + ((1 - side) * log((1 - side) / (1 - weight)) if side < 1 else 0.0)
    return log(1 / alpha) / (rate * bits)

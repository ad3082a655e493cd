"""From likelihoods to evidence: e-values, and the confidence sequence that belongs to them.

An e-process is a stake that starts at 1 and cannot be expected to grow while the null hypothesis
holds, whenever one looks; so it reaches ``1 / alpha`` with a probability of at most ``alpha``
(Ville 1939). Ours is the mean, over the odds ratios on one side of the null's, of the likelihood
ratios (Robbins 1970: a mixture): each is a product over batches, and has mean 1 at the null and
at most 1 beyond it, as the likelihood ratio is monotone.

The confidence sequence is every ratio that the evidence has not reached: it holds at all times at
once (Howard, Ramdas, McAuliffe, Sekhon 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import final

from fairdeploy.analysis.odds import odds_grid
from fairdeploy.model import ErrorComparison, LatencyComparison

__all__ = ["Interval", "Weighed", "interval", "log_above", "log_below", "log_mean", "weigh"]

Interval = tuple[float, float | None]
"""Lower and upper bound of a ratio; 0 and ``None`` where there is none."""


@final
@dataclass(frozen=True, slots=True)
class Weighed:
    """What the likelihoods say about both sides.

    Args:
        worse: Log e-value against "not worse than tolerated".
        within: Log e-value against "at the margin or beyond".
        bounds: Confidence sequence of the odds ratio.
    """

    worse: float
    within: float
    bounds: Interval


def weigh(
    check: ErrorComparison | LatencyComparison, likelihoods: tuple[float, ...], alpha: float | None = None
) -> Weighed:
    """Return what likelihoods on the check's grid say; ``alpha`` is the lower bound's, else the check's."""
    grid = odds_grid(check.tolerated, check.margin)
    return Weighed(
        log_above(likelihoods, grid.index(check.tolerated), check.burst),
        log_below(likelihoods, grid.index(check.margin), check.burst),
        interval(grid, likelihoods, alpha=alpha or check.alpha, beta=check.beta, burst=check.burst),
    )


def log_mean(values: list[float]) -> float:
    """Return the logarithm of the mean of exponentials."""
    top = max(values)
    return top + log(sum(exp(value - top) for value in values) / len(values))


def log_above(likelihoods: tuple[float, ...], null: int, burst: float) -> float:
    """Return the log e-value against a ratio of at most ``grid[null]``.

    Args:
        likelihoods: Log-likelihoods on a grid.
        null: Index in the grid, not the last.
        burst: Most events that come together. The power ``1 / burst`` of the likelihood ratio has a mean of at
            most 1, however events depend on each other that come in groups of so many (Hölder's
            inequality, over the events of a group).
    """
    return log_mean([(each - likelihoods[null]) / burst for each in likelihoods[null + 1 :]])


def log_below(likelihoods: tuple[float, ...], null: int, burst: float) -> float:
    """Return the log e-value against a ratio of at least ``grid[null]``; see `log_above`."""
    return log_mean([(each - likelihoods[null]) / burst for each in likelihoods[:null]])


def interval(
    grid: tuple[float, ...], likelihoods: tuple[float, ...], *, alpha: float, beta: float, burst: float
) -> Interval:
    """Return the ratios that are not ruled out: below, at level ``alpha``; above, at level ``beta``.

    Rounded outwards to the grid. The ratio is in it at all times with a probability of at least
    ``1 - alpha - beta``.
    """
    lower, upper = 0.0, None
    for null in range(len(grid) - 1):
        if log_above(likelihoods, null, burst) < -log(alpha):
            break
        lower = grid[null]
    for null in range(len(grid) - 1, 0, -1):
        if log_below(likelihoods, null, burst) < -log(beta):
            break
        upper = grid[null]
    return lower, upper

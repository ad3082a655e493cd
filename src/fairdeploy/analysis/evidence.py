"""From likelihoods to evidence: e-values, and the confidence sequence that belongs to them.

An e-process is a stake that starts at 1 and cannot be expected to grow while the null hypothesis
holds, whenever one looks; so it reaches ``1 / alpha`` with a probability of at most ``alpha``
(Ville 1939). Ours is the mean, over the ratios on one side of the null's, of the likelihood ratios
(Robbins 1970: a mixture): each is a product over batches, and has mean 1 at the null and at most 1
beyond it, as the likelihood ratio is monotone.

The confidence sequence is every ratio that the evidence has not reached: it holds at all times at
once (Howard, Ramdas, McAuliffe, Sekhon 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import exp, inf, log
from typing import TypeAlias, final

__all__ = ["Evidence", "Interval", "log_mean", "weigh"]

Interval: TypeAlias = tuple[float, float | None]
"""Lower and upper bound of a ratio; 0 and ``None`` where there is none."""


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """What log-likelihoods on a grid of ratios say.

    Args:
        grid: The ratios, increasing.
        likelihoods: Of each, relative to the greatest.
        above: Sums of the likelihoods of a ratio and all above it.
        below: Sums of those of a ratio and all below it.
    """

    grid: tuple[float, ...]
    likelihoods: tuple[float, ...]
    above: tuple[float, ...]
    below: tuple[float, ...]

    def against_at_most(self, ratio: float) -> float:
        """Return the log e-value against a ratio of at most this one, which is in the grid and not its last."""
        null = self.grid.index(ratio)
        return _log_ratio(self.above[null + 1], len(self.grid) - null - 1, self.likelihoods[null])

    def against_at_least(self, ratio: float) -> float:
        """Return the log e-value against a ratio of at least this one, which is in the grid and not its first."""
        null = self.grid.index(ratio)
        return _log_ratio(self.below[null - 1], null, self.likelihoods[null])

    def interval(self, alpha: float, beta: float) -> Interval:
        """Return the ratios that are not ruled out: from below at level ``alpha``, from above at level ``beta``.

        Rounded outwards to the grid. The ratio is in it at all times with a probability of at least
        ``1 - alpha - beta``.
        """
        last = len(self.grid) - 1
        low, high = 0, last
        while low < last and self.above[low + 1] * alpha >= (last - low) * self.likelihoods[low]:
            low += 1
        while high > 0 and self.below[high - 1] * beta >= high * self.likelihoods[high]:
            high -= 1
        return self.grid[low - 1] if low else 0.0, self.grid[high + 1] if high < last else None


def weigh(grid: tuple[float, ...], likelihoods: tuple[float, ...], burst: float) -> Evidence:
    """Return what log-likelihoods say.

    Args:
        grid: The ratios, increasing.
        likelihoods: Log-likelihood of each.
        burst: Most events that come together. The power ``1 / burst`` of a likelihood ratio has a
            mean of at most 1, however events depend on each other that come in groups of so many
            (Hölder's inequality, over the events of a group).
    """
    top = max(likelihoods)
    each = tuple([exp((likelihood - top) / burst) for likelihood in likelihoods])
    return Evidence(grid, each, tuple(accumulate(each[::-1]))[::-1], tuple(accumulate(each)))


def log_mean(values: list[float]) -> float:
    """Return the logarithm of the mean of exponentials: the mean of e-values is one."""
    top = max(values)
    if top == -inf:
        return top
    return top + log(sum([exp(value - top) for value in values]) / len(values))


def _log_ratio(total: float, count: int, null: float) -> float:
    """Return the log of a mean likelihood over the null's; what is too small to be held counts as nothing."""
    if total <= 0:
        return -inf
    # Not log(total / count): the smallest number above 0, divided, is 0.
    return log(total) - log(count) - (log(null) if null > 0 else -_HUGE)


_HUGE = 745.0
"""Beyond ``exp(-745)`` a number cannot be told from 0."""

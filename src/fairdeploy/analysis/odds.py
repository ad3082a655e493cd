"""How likely a batch is under each odds ratio: Fisher's noncentral hypergeometric distribution.

Of `n` requests of the candidate and `m` of the baseline, `k` met an event (an error, a slow
answer). Given that, under odds ratio ``psi`` the candidate's part ``x`` has the probability
``C(n, x) C(m, k - x) psi**x / sum_j C(n, j) C(m, k - j) psi**j``, whatever the common rate.
Divided by its value at ``psi = 1``, this is ``psi**x / E[psi**J]``, with ``J`` hypergeometric:
only the mean of ``psi**J`` is work.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, exp, inf, lgamma, log, pi, sqrt

__all__ = ["log_likelihoods", "mean_events", "odds_grid"]

_DECADE = 5
"""Grid points per factor of ten: neighbours differ by a factor of 1.58 (Renard's R5); closer ones find hardly anything sooner."""

_FEW = 120
"""Up to so many terms each is added (``100 ** 120`` is a number); beyond, only as many as the sum needs."""

_NEGLIGIBLE = 1e-13
"""A term this small beside the largest ends a sum."""


@lru_cache(maxsize=64)
def odds_grid(*exact: float) -> tuple[float, ...]:
    """Return the odds ratios for which evidence is kept: 1/10 to 100, and the given ones exactly.

    Neighbours of a given one that differ from it by less than half a step are left out.
    """
    half = 10 ** (0.5 / _DECADE)
    regular = [10 ** (power / _DECADE) for power in range(-_DECADE, 2 * _DECADE + 1)]
    kept = [each for each in regular if all(max(each / one, one / each) >= half for one in exact)]
    return tuple(sorted([*kept, *exact]))


def log_likelihoods(grid: tuple[float, ...], x: int, n: int, k: int, m: int) -> tuple[float, ...]:
    """Return ``log(P_psi(x) / P_1(x))`` for each odds ratio of a grid.

    Args:
        grid: Odds ratios above 0.
        x: Events of the candidate.
        n: Requests of the candidate.
        k: Events of both.
        m: Requests of the baseline.
    """
    low, high = max(0, k - m), min(k, n)
    if low == high:  # it could not have been otherwise: nothing is learned
        return (0.0,) * len(grid)
    if high - low <= _FEW:
        return _each(grid, x, n, k, m)
    return _sampled(grid, x, n, k, m)


def _each(grid: tuple[float, ...], x: int, n: int, k: int, m: int) -> tuple[float, ...]:
    """Add every term: a polynomial in psi, whose coefficients are the central probabilities."""
    low, high = max(0, k - m), min(k, n)
    logs, total = [0.0], 0.0
    for j in range(low, high):
        total += log((n - j) * (k - j) / ((j + 1) * (m - k + j + 1)))
        logs.append(total)
    top = max(logs)
    first, *rest = [exp(each - top) for each in reversed(logs)]
    values = [first + sum(rest)]
    for psi in grid:
        value = first
        for term in rest:
            value = value * psi + term
        values.append(value)
    whole, *means = map(log, values)
    return tuple([(x - low) * by - mean + whole for by, mean in zip(_logs(grid), means, strict=True)])


@lru_cache(maxsize=64)
def _logs(grid: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(log(psi) for psi in grid)


def _sampled(grid: tuple[float, ...], x: int, n: int, k: int, m: int) -> tuple[float, ...]:
    """Add every h-th term, times h.

    By Poisson's summation the sum over a lattice of step h differs from the whole, relatively, by
    about twice the characteristic function's absolute value at ``2 pi / h``. The distribution is one of
    a sum of independent indicators (its generating polynomial has real roots only), so this is at
    most ``exp(-s2 (1 - cos(2 pi / h)))`` with its variance ``s2``; see `_step`. Some 30 terms do,
    however many errors there are.
    """
    whole = lgamma(n + m + 1) - lgamma(k + 1) - lgamma(n + m - k + 1) - lgamma(n + 1) - lgamma(m + 1)
    known: dict[int, float] = {}
    low, high = max(0, k - m), min(k, n)

    def term(j: int) -> float:
        found = known.get(j)
        if found is None:
            found = known[j] = -lgamma(j + 1) - lgamma(n - j + 1) - lgamma(k - j + 1) - lgamma(m - k + j + 1)
        return found

    found = []
    for psi, by in zip(grid, _logs(grid), strict=True):
        mean = mean_events(psi, n, k, m)
        step = _step(_variance(mean, psi, n, k, m))
        start = min(max(round(mean / step) * step, low), high)
        top = term(start) + start * by
        total = 1.0
        for way in (step, -step):
            j = start + way
            while low <= j <= high:
                share = exp(term(j) + j * by - top)
                total += share
                if share < _NEGLIGIBLE:
                    break
                j += way
        found.append(x * by - (top + log(total * step) - whole))
    return tuple(found)


def _step(variance: float) -> int:
    """Return the widest step with ``s2 (1 - cos(2 pi / h))`` of 27 at least: an error of 4e-12.

    Powers of two: neighbouring ratios meet at the same terms.
    """
    step, at_least = 1, 27 / variance if variance > 0 else inf
    while 1 - cos(pi / step) >= at_least:
        step *= 2
    return step


def mean_events(psi: float, n: float, k: float, m: float) -> float:
    """Return about the mean: where ``mu (m - k + mu) = psi (n - mu) (k - mu)`` (Cornfield 1956).

    Also the candidate's events under the likeliest rates with that odds ratio and the same sum.
    """
    if psi == 1:
        return n * k / (n + m)
    a = psi - 1
    b = psi * (n + k) + m - k
    return 2 * psi * n * k / (b + sqrt(b * b - 4 * a * psi * n * k))


def _variance(mean: float, psi: float, n: int, k: int, m: int) -> float:
    """Return about the variance at a mean: the derivative of `mean_events` by ``log psi``."""
    return mean * (m - k + mean) / (m - k + 2 * mean + psi * (n + k - 2 * mean))

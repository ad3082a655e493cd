"""How likely a batch is under each odds ratio: Fisher's noncentral hypergeometric distribution.

Of `n` requests of the candidate and `m` of the baseline, `k` met an event (an error, a slow
answer). Given that, under odds ratio ``psi`` the candidate's part ``x`` has the probability
``C(n, x) C(m, k - x) psi**x / sum_j C(n, j) C(m, k - j) psi**j``, whatever the common rate.
Divided by its value at ``psi = 1``, this is ``psi**x / E[psi**J]``, with ``J`` hypergeometric:
only the mean of ``psi**J`` is work.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, lgamma, log, sqrt

__all__ = ["log_likelihoods", "mean_events", "odds_grid"]

_DECADE = 10
"""Grid points per factor of ten: neighbours differ by a factor of 1.26 (Renard's R10)."""

_FEW = 40
"""Up to so many terms each is added; beyond, only as many as the sum needs."""

_NEGLIGIBLE = 1e-13
"""A term this small beside the largest ends a sum."""


@lru_cache(maxsize=64)
def odds_grid(*exact: float) -> tuple[float, ...]:
    """Return the odds ratios for which evidence is kept: 1/32 to 100, and the given ones exactly.

    Neighbours of a given one that differ from it by less than half a step are left out.
    """
    half = 10 ** (0.5 / _DECADE)
    regular = [10 ** (power / _DECADE) for power in range(-15, 2 * _DECADE + 1)]
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
    whole = log(first + sum(rest))
    found = []
    for psi, by in zip(grid, _logs(grid), strict=True):
        value = first
        for term in rest:
            value = value * psi + term
        found.append((x - low) * by - log(value) + whole)
    return tuple(found)


@lru_cache(maxsize=64)
def _logs(grid: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(log(psi) for psi in grid)


def _sampled(grid: tuple[float, ...], x: int, n: int, k: int, m: int) -> tuple[float, ...]:
    """Add every h-th term, times h.

    By Poisson's summation the sum over a lattice of step h differs from the whole, relatively, by
    at most the characteristic function's absolute values at the multiples of 2 pi / h. The
    distribution is one of a sum of independent indicators (its generating polynomial has real
    roots only), so these are at most ``exp(-s2 (1 - cos(2 pi r / h)))`` with its variance ``s2``:
    for h = 0.8 s below 1e-12, and fewer than 30 terms do, however many errors there are.
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
    for psi in grid:
        mean = mean_events(psi, n, k, m)
        spread = _spread(mean, n, k, m)
        step = 1
        while 2 * step <= 0.8 * spread:
            step *= 2  # powers of two: neighbouring ratios meet at the same terms
        start = min(max(round(mean / step) * step, low), high)
        by = log(psi)
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


def mean_events(psi: float, n: float, k: float, m: float) -> float:
    """Return about the mean: where ``mu (m - k + mu) = psi (n - mu) (k - mu)`` (Cornfield 1956).

    Also the candidate's events under the likeliest rates with that odds ratio and the same sum.
    """
    if psi == 1:
        return n * k / (n + m)
    a = psi - 1
    b = psi * (n + k) + m - k
    return 2 * psi * n * k / (b + sqrt(b * b - 4 * a * psi * n * k))


def _spread(mean: float, n: int, k: int, m: int) -> float:
    """Return about the standard deviation at a mean (Cornfield 1956)."""
    parts = (mean, n - mean, k - mean, m - k + mean)
    return 1 / sqrt(sum(1 / part if part > 0 else inf for part in parts))

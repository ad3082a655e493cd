from __future__ import annotations

from itertools import pairwise
from math import comb, exp, fsum, isclose, isfinite, lgamma, log

import pytest
from hypothesis import example, given, settings, strategies as st
from scipy.stats import nchypergeom_fisher

from fairdeploy.analysis.evidence import log_mean, weigh
from fairdeploy.analysis.odds import log_likelihoods, odds_grid

GRID = odds_grid(1.0, 3.0)
SIDES = st.integers(0, 12)


@pytest.mark.parametrize(
    ("n", "m", "k"),
    [
        (3, 97, 4),
        (10, 90, 1),
        (100, 900, 30),
        (1_000, 1_000, 41),
        (500, 500, 500),
        (20, 50_000, 3_000),
        (3_000, 27_000, 900),
    ],
    ids=str,
)
def test_likelihoods_are_those_of_fishers_noncentral_distribution(n: int, m: int, k: int) -> None:
    """Two ways of adding up agree with scipy, for few events and for thousands."""
    compared = 0
    for x in {max(0, k - m), min(n, k), round(k * n / (n + m)), min(n, k, round(2 * k * n / (n + m)))}:
        found = log_likelihoods(GRID, x, n, k, m)
        central = float(nchypergeom_fisher.logpmf(x, n + m, k, n, 1.0))
        for psi, mine in list(zip(GRID, found, strict=True))[::5]:
            theirs = float(nchypergeom_fisher.logpmf(x, n + m, k, n, psi))
            if isfinite(theirs) and isfinite(central):  # scipy's probabilities end at 1e-308
                assert isclose(mine, theirs - central, rel_tol=1e-7, abs_tol=1e-7)
                compared += 1
    assert compared >= 8


def _every_term(n: int, m: int, k: int, x: int, psi: float) -> float:
    """Return the log-likelihood with every term added."""
    spots = range(max(0, k - m), min(n, k) + 1)
    central = [-lgamma(j + 1) - lgamma(n - j + 1) - lgamma(k - j + 1) - lgamma(m - k + j + 1) for j in spots]
    tilted = [log_term + j * log(psi) for j, log_term in zip(spots, central, strict=True)]
    whole = max(central) + log(fsum(exp(each - max(central)) for each in central))
    return x * log(psi) - max(tilted) - log(fsum(exp(each - max(tilted)) for each in tilted)) + whole


def _exactly(n: int, m: int, k: int, x: int, psi: float) -> float:
    """Return the log-likelihood by whole numbers, of which only the last step is rounded."""
    spots = range(max(0, k - m), min(n, k) + 1)
    ways = [comb(n, j) * comb(m, k - j) for j in spots]
    up, down = psi.as_integer_ratio()
    tilted = sum(
        count * up ** (j - spots[0]) * down ** (spots[-1] - j) for count, j in zip(ways, spots, strict=True)
    )
    return (x - spots[0]) * log(psi) - (log(tilted) - (spots[-1] - spots[0]) * log(down) - log(sum(ways)))


@given(st.integers(1, 120), st.integers(1, 4_000), st.integers(1, 600), st.floats(0, 1))
@example(120, 1, 120, 1.0)
@example(120, 4_000, 4_000, 0.5)  # as many terms as are added at most
@settings(max_examples=40)
def test_a_likelihood_is_that_of_exact_arithmetic(n: int, m: int, k: int, part: float) -> None:
    """By whole numbers of any size, to twelve digits, where every term is added."""
    k = min(k, n + m)
    low = max(0, k - m)
    x = low + round(part * (min(n, k) - low))
    for psi, mine in zip(GRID, log_likelihoods(GRID, x, n, k, m), strict=True):
        assert isclose(mine, _exactly(n, m, k, x, psi), rel_tol=1e-12, abs_tol=1e-12)


@given(st.integers(121, 500), st.integers(121, 4_000), st.integers(122, 700))
@settings(max_examples=40)
def test_what_is_left_out_of_a_sum_is_less_than_a_billionth(n: int, m: int, k: int) -> None:
    """Also where the distribution is narrow, beside either end."""
    k = min(k, n + m)
    x = round(k * n / (n + m))
    found = log_likelihoods(GRID, x, n, k, m)
    for psi, mine in zip(GRID, found, strict=True):
        assert isclose(mine, _every_term(n, m, k, x, psi), rel_tol=1e-12, abs_tol=1e-9)


@given(SIDES, SIDES, st.integers(0, 24), st.sampled_from([1.0, 2.0, 5.0]))
def test_the_e_value_of_a_batch_has_a_mean_of_at_most_one(n: int, m: int, k: int, burst: float) -> None:
    """Added up over every table that can be, for every ratio that the null hypothesis allows."""
    k = min(k, n + m)
    tables = range(max(0, k - m), min(k, n) + 1)
    central = [comb(n, x) * comb(m, k - x) for x in tables]
    evidence = [weigh(GRID, log_likelihoods(GRID, x, n, k, m), burst) for x in tables]
    for true in (0.2, 0.7, 1.0):
        weights = [count * true**x for count, x in zip(central, tables, strict=True)]
        mean = sum(
            w * exp(each.against_at_most(1.0)) for w, each in zip(weights, evidence, strict=True)
        ) / sum(weights)
        assert mean <= 1 + 1e-9
        assert burst > 1 or true < 1 or isclose(mean, 1, rel_tol=1e-9)
    for true in (3.0, 4.0, 20.0):
        weights = [count * true**x for count, x in zip(central, tables, strict=True)]
        mean = sum(
            w * exp(each.against_at_least(3.0)) for w, each in zip(weights, evidence, strict=True)
        ) / sum(weights)
        assert mean <= 1 + 1e-9


@given(st.integers(0, 12), st.integers(1, 5), st.floats(0.02, 0.5))
def test_events_that_come_together_are_counted_as_one(others: int, size: int, weight: float) -> None:
    """With errors in groups of up to `burst`, all at one revision, the mean stays at most one."""
    burst = 5.0
    for psi in (1.5, 10.0, 100.0):
        side = weight * psi / (weight * psi + 1 - weight)
        mean = (
            weight * (side / weight) ** (size / burst)
            + (1 - weight) * ((1 - side) / (1 - weight)) ** (size / burst)
        ) ** (others + 1)
        assert mean <= 1 + 1e-12


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_one_more_event_at_the_candidate_is_more_evidence(n: int, m: int, k: int) -> None:
    """The e-value grows with the candidate's part of the same events."""
    k = min(k, n + m)
    values = [
        weigh(GRID, log_likelihoods(GRID, x, n, k, m), 1.0).against_at_most(1.0)
        for x in range(max(0, k - m), min(k, n) + 1)
    ]

    assert all(fewer <= more + 1e-9 for fewer, more in pairwise(values))


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 60), st.integers(0, 60), st.integers(1, 300)),
        min_size=1,
        max_size=5,
    )
)
def test_the_interval_says_what_the_verdict_says(batches: list[tuple[int, int, int, int]]) -> None:
    """A fail is an interval above what is tolerated, a pass one below the margin; never are both bounds crossed."""
    total = [0.0] * len(GRID)
    for x, n, y, m in batches:
        x, y = min(x, n), min(y, m)  # noqa: PLW2901 - at most all fail
        total = [a + b for a, b in zip(total, log_likelihoods(GRID, x, n, x + y, m), strict=True)]
    found = weigh(GRID, tuple(total), 1.0)
    lower, upper = found.interval(0.05, 0.05)

    assert upper is None or lower < upper
    if lower >= 1.0:
        assert found.against_at_most(1.0) >= log(20) - 1e-9
    if found.against_at_most(1.0) >= log(20) + 1e-9:
        assert lower >= 1.0
    if found.against_at_least(3.0) >= log(20) + 1e-9:
        assert upper is not None
        assert upper <= 3.0


def test_the_grid_holds_what_it_is_asked_for() -> None:
    """A tolerated ratio and a margin are in it exactly, and neighbours do not crowd."""
    for exact in ((1.0, 3.0), (0.5, 50.0), (1.1, 1.2), (2.0, 2.5)):
        grid = odds_grid(*exact)
        assert set(exact) <= set(grid)
        assert list(grid) == sorted(grid)
        assert min(grid) < exact[0]
        assert max(grid) > exact[1]


def test_huge_evidence_stays_a_number() -> None:
    """What is beyond all doubt neither overflows nor divides by zero."""
    sure = weigh(GRID, log_likelihoods(GRID, 50_000, 50_000, 50_100, 50_000), 1.0)

    assert sure.against_at_most(1.0) > 700
    assert sure.against_at_least(3.0) == float("-inf")
    assert sure.interval(0.05, 0.05)[1] is None
    assert log_mean([float("-inf"), float("-inf")]) == float("-inf")


def test_the_smallest_evidence_stays_a_number() -> None:
    """Half of the smallest number above 0 is 0, which has no logarithm."""
    likelihoods = [0.0, -744.0, *[-2_000.0] * (len(GRID) - 2)]

    assert weigh(GRID, tuple(likelihoods), 1.0).against_at_most(GRID[0]) < -740
    assert weigh(GRID, tuple(likelihoods[::-1]), 1.0).against_at_least(GRID[-1]) < -740

"""The promise, on made-up rollouts with seeds: a sound candidate is seldom convicted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from fairdeploy.analysis import add, begin, conclude
from fairdeploy.model import Counters, ErrorComparison, LatencyComparison, SampleRatio, Stage, Verdict
from tests.analysis.simulated import errors_end, latency_end

RAMP = tuple(Stage(basis_points=share, duration_ms=60_000) for share in (100, 500, 5_000))


def _bound(runs: int, alpha: float) -> int:
    """Return how many alarms a true rate of alpha exceeds once in a thousand times: then the promise is broken."""
    return int(binom.ppf(0.999, runs, alpha))


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_a_ramp_with_a_changing_error_rate_convicts_nobody(alpha: float) -> None:
    """Errors rise five-fold as the weight goes from 5 to 50 %, for both revisions alike."""
    runs, alarms, chance = 150, 0, np.random.default_rng(1)
    check = ErrorComparison(alpha=alpha)
    for _ in range(runs):
        state = begin(check)
        for weight, rate in ((0.01, 0.01), (0.05, 0.01), (0.05, 0.05), (0.5, 0.05)):
            for _ in range(20):
                n = int(chance.binomial(100, weight))
                mine, theirs = int(chance.binomial(n, rate)), int(chance.binomial(100 - n, rate))
                state = add(
                    check,
                    state,
                    Counters(requests=n, errors=mine),
                    Counters(requests=100 - n, errors=theirs),
                    weight=weight,
                )
                if mine and conclude(check, state).verdict is Verdict.FAIL:
                    alarms += 1
                    break
            else:
                continue
            break

    assert alarms <= _bound(runs, alpha)


def test_errors_that_come_in_bursts_need_to_be_declared() -> None:
    """With ``burst=5`` groups of five errors raise no more alarms than promised."""
    runs, alarms, chance = 100, 0, np.random.default_rng(2)
    check = ErrorComparison(burst=5)
    for _ in range(runs):
        state = begin(check)
        for _ in range(80):
            groups = int(chance.poisson(0.2))
            n = int(chance.binomial(100, 0.1))
            mine = min(n, 5 * int(chance.binomial(groups, 0.1)))
            theirs = min(100 - n, 5 * groups - mine)
            state = add(
                check, state, Counters(requests=n, errors=mine), Counters(requests=100 - n, errors=theirs)
            )
            if mine and conclude(check, state).verdict is Verdict.FAIL:
                alarms += 1
                break

    assert alarms <= _bound(runs, 0.05)


def test_equal_latencies_convict_nobody() -> None:
    """Thresholds that move with what was seen are no reason for an alarm."""
    runs, chance = 40, np.random.default_rng(3)
    ends = [
        latency_end(LatencyComparison(), chance, weights=(0.01, 0.05, 0.5), batches=45)[0]
        for _ in range(runs)
    ]

    assert ends.count(Verdict.FAIL) <= _bound(runs, 0.05)


@pytest.mark.parametrize(("slower", "tail"), [(1.2, 0.0), (1.0, 0.05)], ids=["20 % slower", "a slow tail"])
def test_slower_candidates_are_found(slower: float, tail: float) -> None:
    """Everything a fifth slower, or one in twenty ten times: found in most rollouts of 6,000 requests."""
    chance = np.random.default_rng(4)
    ends = [
        latency_end(LatencyComparison(), chance, slower=slower, tail=tail, batches=60)[0] for _ in range(10)
    ]

    assert ends.count(Verdict.FAIL) >= 8


def test_a_worse_candidate_is_found_by_the_hundredth_request() -> None:
    """Broken entirely, at a tenth of ten requests a second."""
    chance = np.random.default_rng(5)
    stages = (Stage(basis_points=1_000, duration_ms=600_000),)
    ends = [
        errors_end(ErrorComparison(), stages, chance, rate=10, baseline=0.01, candidate=1.0, every=2)
        for _ in range(30)
    ]

    assert all(verdict is Verdict.FAIL for verdict, _ in ends)
    assert sum(seconds <= 10 for _, seconds in ends) >= 27


def test_a_split_as_told_raises_no_alarm_while_it_changes() -> None:
    """Weights that grow, and traffic that drifts, are no mismatch; a third too much is."""
    check, chance = SampleRatio(), np.random.default_rng(6)

    def verdict(ratio: float) -> Verdict:
        state = begin(check)
        for weight in (0.05, 0.25, 0.5, 0.75):
            odds = ratio * weight / (1 - weight)
            for _ in range(40):
                total = int(chance.poisson(100))
                n = int(chance.binomial(total, odds / (1 + odds)))
                state = add(check, state, Counters(requests=n), Counters(requests=total - n), weight=weight)
                if conclude(check, state).verdict is Verdict.FAIL:
                    return Verdict.FAIL
        return conclude(check, state).verdict

    assert [verdict(1.0) for _ in range(10)] == [Verdict.PASS] * 10
    assert [verdict(1.6) for _ in range(5)] == [Verdict.FAIL] * 5

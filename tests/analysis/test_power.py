from __future__ import annotations

import numpy as np
import pytest

from fairdeploy.analysis import power, stages, with_power
from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    ErrorComparison,
    ErrorRate,
    LatencyComparison,
    Stage,
    Verdict,
)
from fairdeploy.strategies import Canary
from tests.analysis.simulated import errors_end
from tests.strategies.worlds import EVERYTHING, NEW, deployed, target

FIVE = tuple(Stage(basis_points=100 * percent, duration_ms=300_000) for percent in (5, 25, 50, 75, 100))
CHECK = ErrorComparison()
RUNS = 60


@pytest.mark.parametrize(
    ("rate", "baseline", "fault"), [(1, 0.1, 5.0), (20, 0.1, 1.0), (20, 1.0, 20.0)], ids=str
)
def test_a_fault_is_found_in_the_time_that_was_said(rate: float, baseline: float, fault: float) -> None:
    """Of simulated rollouts about four fifths find it by then (60 runs: from 0.6 to 0.97)."""
    said = power(CHECK, FIVE, requests_per_second=rate, error_percent=baseline)
    time = next(each.seconds for each in said.detections if each.percent == fault)
    assert time is not None

    chance = np.random.default_rng(20)
    ends = [
        errors_end(
            CHECK,
            FIVE,
            chance,
            rate=rate,
            baseline=baseline / 100,
            candidate=fault / 100,
            every=time / 60,
            until=time,
        )
        for _ in range(RUNS)
    ]
    share = sum(verdict is Verdict.FAIL for verdict, _ in ends) / RUNS

    assert 0.6 <= share <= 0.97


def test_a_pass_is_reached_in_the_time_that_was_said() -> None:
    """An equal candidate passes by then in about four fifths of simulated rollouts."""
    both = (Stage(basis_points=1_000, duration_ms=200_000), Stage(basis_points=5_000, duration_ms=200_000))
    said = power(CHECK, both, requests_per_second=100, error_percent=1.0)
    assert said.pass_seconds is not None

    chance = np.random.default_rng(21)
    ends = [
        errors_end(
            CHECK,
            both,
            chance,
            rate=100,
            baseline=0.01,
            candidate=0.01,
            every=said.pass_seconds / 40,
            until=said.pass_seconds,
        )
        for _ in range(RUNS)
    ]

    assert 0.6 <= sum(verdict is Verdict.PASS for verdict, _ in ends) / RUNS <= 0.97


def test_a_quiet_site_is_told_what_it_cannot_know() -> None:
    """At one request a second, twenty minutes find a broken release, but can prove none sound."""
    said = power(CHECK, FIVE, requests_per_second=1)
    text = str(said)

    assert said.requests == 1_200
    assert not said.passes
    assert said.mildest is not None
    assert said.mildest.percent == 5.0
    assert "100 % errors after" in text
    assert "Not found in time: 2 % errors" in text
    assert "the end is undecided" in text


def test_more_traffic_is_never_slower() -> None:
    """Each fault is found sooner with more requests, and a milder one later."""
    slow, fast = (power(CHECK, FIVE, requests_per_second=rate) for rate in (2, 50))
    times = [each.seconds or 1e9 for each in slow.detections]

    assert times == sorted(times)
    assert all(a > (b.seconds or 1e9) for a, b in zip(times, fast.detections, strict=True))


def test_latency_needs_no_base_rate() -> None:
    """Of slow answers it is known how many there are: one in a hundred is above p99."""
    said = power(LatencyComparison(), FIVE, requests_per_second=20)

    assert said.percent is None
    assert {each.event for each in said.detections} == {
        "answers slower than p50",
        "answers slower than p90",
        "answers slower than p99",
    }
    assert said.mildest is not None


def test_without_a_time_in_which_both_serve_nothing_is_known() -> None:
    """A switch at once leaves nothing to compare."""
    said = power(CHECK, [Stage(basis_points=10_000, duration_ms=60_000)], requests_per_second=100)

    assert (said.requests, said.mildest, said.pass_seconds) == (0, None, None)
    assert "A pass cannot be expected" in str(said)


def test_what_is_tolerated_is_not_found() -> None:
    """Ten times the errors are no fault where so many are tolerated."""
    said = power(ErrorComparison(tolerated=12, margin=30), FIVE, requests_per_second=50, error_percent=1)

    assert next(each for each in said.detections if each.percent == 10).seconds is None


def test_stages_are_read_from_a_plan() -> None:
    """The plan that will be carried out says how long both revisions serve."""
    plan = Canary(steps=[10, 100], bake=[60, 5]).plan(NEW, target(), deployed(), EVERYTHING)

    assert stages(plan) == (
        Stage(basis_points=1_000, duration_ms=60_000),
        Stage(basis_points=10_000, duration_ms=5_000),
    )


def test_a_plan_says_what_its_comparisons_can_tell() -> None:
    """Notes are added for comparisons only: thresholds know no probability."""
    canary = Canary(analysis=[ErrorComparison(), ErrorRate()])
    plan = canary.plan(NEW, target(), deployed(), EVERYTHING)
    noted = with_power(plan, requests_per_second=1)

    added = noted.notes[len(plan.notes) :]
    assert noted.notes[: len(plan.notes)] == plan.notes
    assert any("Both revisions serve 1,200 requests" in note for note in added)
    assert all(note.startswith(f"{plan.guards[0].id}: ") for note in added)
    assert noted.steps == plan.steps


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_second": 0},
        {"requests_per_second": float("nan")},
        {"requests_per_second": 1, "error_percent": 0},
        {"requests_per_second": 1, "probability": 1},
    ],
    ids=str,
)
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    """The message names the argument."""
    with pytest.raises(InvalidInput, match=list(wrong)[-1]):
        power(CHECK, FIVE, **wrong)

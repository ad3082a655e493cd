from __future__ import annotations

import json
from dataclasses import replace
from math import nan
from random import Random

import pytest
from hypothesis import given, strategies as st

from fairdeploy.analysis import State, add, begin, conclude
from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    Comparison,
    Counters,
    ErrorComparison,
    Histogram,
    LatencyComparison,
    SampleRatio,
    Verdict,
)
from tests.analysis.batches import counted, timed

CHECKS: tuple[Comparison, ...] = (ErrorComparison(), LatencyComparison(), SampleRatio())
ERRORS = ErrorComparison()

BATCHES = st.tuples(st.integers(0, 60), st.integers(0, 200), st.integers(0, 60), st.integers(0, 200)).map(
    lambda drawn: (counted(drawn[0] + drawn[2], drawn[2]), counted(drawn[1] + drawn[3], drawn[3]))
)


def _after(check: Comparison, *batches: tuple[Counters, Counters]) -> State:
    state = begin(check)
    for candidate, baseline in batches:
        state = add(check, state, candidate, baseline, weight=0.5)
    return state


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.kind)
def test_nothing_counted_is_no_data(check: Comparison) -> None:
    """Before the first request there is neither a pass nor a fail."""
    assert conclude(check, begin(check)).verdict is Verdict.NO_DATA
    assert conclude(check, _after(check, (Counters(), Counters()))).verdict is Verdict.NO_DATA


def test_below_the_minimum_of_either_there_is_no_verdict() -> None:
    """However bad it looks, a check with a minimum waits for it."""
    check = ErrorComparison(min_requests=50)

    for candidate, baseline in ((49, 1_000), (1_000, 49)):
        found = conclude(check, _after(check, (counted(candidate, candidate), counted(baseline))))
        assert found.verdict is Verdict.NO_DATA
    assert conclude(check, _after(check, (counted(50, 50), counted(50)))).verdict is Verdict.FAIL


def test_a_release_that_only_fails_is_convicted_at_once() -> None:
    """Three failures of three requests, beside 27 without one, are proof."""
    found = conclude(ERRORS, _after(ERRORS, (counted(3, 3), counted(27))))

    assert found.verdict is Verdict.FAIL
    assert found.message.startswith("errors more than ")
    assert found.message.endswith("× stable's: 3 of 3 requests, 0 of 27 of stable's")


def test_equal_error_rates_pass() -> None:
    """With enough errors on both sides the ratio is proven to be within the margin."""
    found = conclude(ERRORS, _after(ERRORS, (counted(5_000, 50), counted(5_000, 50))))

    assert found.verdict is Verdict.PASS
    assert "× stable's: 50 of 5000 requests" in found.message


def test_no_errors_at_all_pass_as_rare() -> None:
    """A ratio to nothing is never known, but that errors are rarer than 0.1 % is."""
    found = conclude(ERRORS, _after(ERRORS, (counted(10_000), counted(10_000))))
    without = ErrorComparison(negligible_percent=0)

    assert found.verdict is Verdict.PASS
    assert "rarer than 0.1 %" in found.message
    assert (
        conclude(without, _after(without, (counted(10**6), counted(10**6)))).verdict is Verdict.INCONCLUSIVE
    )


def test_errors_of_both_alike_convict_nobody() -> None:
    """A database that is down for both revisions is no evidence against the candidate."""
    assert (
        conclude(ERRORS, _after(ERRORS, (counted(50, 50), counted(950, 950)))).verdict is Verdict.INCONCLUSIVE
    )


def test_without_a_second_revision_there_is_nothing_to_compare() -> None:
    """At 100 % nothing is learned, and what was learned before stays."""
    before = _after(ERRORS, (counted(100, 5), counted(100, 4)))
    after = add(ERRORS, before, counted(1_000, 500), counted(0))

    assert after.tallies[0].likelihoods == before.tallies[0].likelihoods


@given(st.lists(BATCHES, max_size=6), st.sampled_from(CHECKS))
def test_a_state_survives_being_written(batches: list[tuple[Counters, Counters]], check: Comparison) -> None:
    """What a crash leaves in the journal is what was there, bit by bit."""
    state = _after(check, *batches)

    assert State.read(state.write()) == state
    assert json.loads(state.write())["version"] == 2


@given(st.lists(BATCHES, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_batches_does_not_matter(
    batches: list[tuple[Counters, Counters]],
    chance: Random,
) -> None:
    """Errors count alike, whenever they come in batches that are large enough not to wait for others."""
    whole = [
        (counted(candidate.requests + 5, candidate.errors), counted(baseline.requests + 5, baseline.errors))
        for candidate, baseline in batches
    ]
    shuffled = list(whole)
    chance.shuffle(shuffled)
    one, other = conclude(ERRORS, _after(ERRORS, *whole)), conclude(ERRORS, _after(ERRORS, *shuffled))

    assert one.verdict is other.verdict
    assert one.message == other.message


def test_requests_wait_until_there_is_something_to_compare() -> None:
    """One request at a time adds up to the same evidence as the batch that they make."""
    state = begin(ERRORS)
    for _ in range(9):
        state = add(ERRORS, state, counted(0), counted(1))
        assert not any(state.tallies[0].likelihoods)
        assert conclude(ERRORS, State.read(state.write())).verdict is Verdict.NO_DATA
    state = add(ERRORS, state, counted(1, 1), counted(0))

    assert state == add(ERRORS, begin(ERRORS), counted(1, 1), counted(9))


def test_what_waits_is_judged_when_the_split_changes() -> None:
    """A batch never spans two weights."""
    state = add(ERRORS, begin(ERRORS), counted(1, 1), counted(4), weight=0.2)
    after = add(ERRORS, state, counted(5), counted(5), weight=0.5)
    apart = add(ERRORS, state, counted(0), counted(0), weight=0.5)

    assert apart.tallies[0].likelihoods == after.tallies[0].likelihoods
    assert (apart.candidate, apart.baseline) == (1, 4)


def test_other_buckets_begin_new_thresholds() -> None:
    """What was pooled with other bounds is not compared, and what was learned stays."""
    check = LatencyComparison()
    state = _after(check, *[(timed(*[20.0] * 10), timed(*[5.0] * 20))] * 3)
    after = add(
        check,
        state,
        timed(*[20.0] * 10, bounds=(8.0, 80.0)),
        timed(*[5.0] * 20, bounds=(8.0, 80.0)),
        weight=0.5,
    )

    assert after.bounds_ms == (8.0, 80.0)
    assert after.total == 30
    assert after.tallies == state.tallies
    assert add(check, state, timed(5.0, bounds=(8.0,)), timed(5.0), weight=0.5) == state


@given(BATCHES)
def test_one_more_error_of_the_candidate_never_helps_it(batch: tuple[Counters, Counters]) -> None:
    """The evidence against the candidate grows with its share of the same errors."""
    candidate, baseline = batch
    if (
        candidate.errors == candidate.requests
        or not baseline.errors
        or candidate.requests + baseline.requests < 10
    ):
        return
    worse = (
        replace(candidate, errors=candidate.errors + 1),
        replace(baseline, errors=baseline.errors - 1),
    )
    left, right = _after(ERRORS, batch).tallies[0].likelihoods, _after(ERRORS, worse).tallies[0].likelihoods

    assert right[-1] - right[0] > left[-1] - left[0]


@pytest.mark.parametrize(
    "impossible",
    [
        counted(-1),
        counted(1, 2),
        replace(counted(1), requests=nan),  # type: ignore[arg-type]  # what a foreign source might say
        replace(counted(10), latency=Histogram(bounds_ms=(1.0, 2.0), counts=(3, 2))),
        replace(counted(10), latency=Histogram(bounds_ms=(2.0, 1.0), counts=(2, 3))),
        replace(counted(10), latency=Histogram(bounds_ms=(nan, 1.0), counts=(2, 3))),
    ],
    ids=["negative", "more-errors", "nan", "falling", "unordered", "nan-bound"],
)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.kind)
def test_impossible_counters_are_refused(check: Comparison, impossible: Counters) -> None:
    """What cannot have been counted never becomes a verdict."""
    with pytest.raises(InvalidInput):
        add(check, begin(check), impossible, counted(10), weight=0.5)
    with pytest.raises(InvalidInput):
        add(check, begin(check), counted(10), impossible, weight=0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"version":2}',
        State(kind="x", ratios=(1.0,)).write().replace("2", "1", 1),
        '{"version":2,"kind":"x","candidate":NaN}',
    ],
)
def test_a_foreign_state_is_refused(text: str) -> None:
    """Another version's state, or no state, is not read as one."""
    with pytest.raises(InvalidInput):
        State.read(text)


def test_a_state_belongs_to_its_check() -> None:
    """Evidence is not mixed up between checks, nor between ratios."""
    state = _after(ERRORS, (counted(10, 1), counted(10)))

    with pytest.raises(InvalidInput, match="begin"):
        conclude(LatencyComparison(), state)
    with pytest.raises(InvalidInput, match="begin"):
        add(replace(ERRORS, tolerated=1.1), state, counted(10, 1), counted(10))


def test_slower_answers_are_convicted_at_every_quantile() -> None:
    """Thresholds come from earlier batches; what is above them is counted like errors."""
    check = LatencyComparison()
    fast, slow = [5.0] * 6 + [20.0] * 3 + [80.0], [20.0] * 6 + [80.0] * 3 + [400.0]
    found = conclude(check, _after(check, *[(timed(*slow), timed(*fast * 9))] * 10))

    assert found.verdict is Verdict.FAIL
    assert "× stable's" in found.message
    assert " ms (p" in found.message


def test_equally_fast_answers_pass() -> None:
    """Each quantile is proven to be within the margin."""
    check = LatencyComparison(quantiles=[0.5, 0.9])
    fast = [5.0] * 5 + [20.0] * 4 + [80.0]
    found = conclude(check, _after(check, *[(timed(*fast), timed(*fast * 9))] * 60))

    assert found.verdict is Verdict.PASS


def test_a_split_as_told_passes_and_another_fails() -> None:
    """A router that sends everything to one revision is found out, and so is one that does as told."""
    check = SampleRatio()

    assert conclude(check, _after(check, *[(counted(50), counted(50))] * 50)).verdict is Verdict.PASS
    assert conclude(check, _after(check, (counted(0), counted(100)))).verdict is Verdict.FAIL
    with pytest.raises(InvalidInput, match="weight"):
        add(check, begin(check), counted(1), counted(1))

"""The candidate beside the baseline, over a whole rollout: begin, add what was counted, conclude."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from operator import add as plus
from typing import assert_never

from fairdeploy.analysis import errors, sample_ratio, slowness
from fairdeploy.analysis.counted import prove
from fairdeploy.analysis.odds import odds_grid
from fairdeploy.analysis.state import State, Tally
from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    CheckResult,
    Comparison,
    Counters,
    ErrorComparison,
    LatencyComparison,
    SampleRatio,
)

__all__ = ["add", "begin", "conclude"]

_BATCH = 10
"""Requests that are judged together at least: with fewer, chance in who served them hides what they say."""


@lru_cache(maxsize=256)
def begin(check: Comparison) -> State:
    """Return the state before anything was counted."""
    match check:
        case SampleRatio():
            grid, count = sample_ratio.grid(check), 1
        case ErrorComparison():
            grid, count = odds_grid(check.tolerated, check.margin), 1
        case LatencyComparison():
            grid, count = odds_grid(check.tolerated, check.margin), len(check.quantiles)
        case _:
            assert_never(check)
    empty = Tally(likelihoods=(0.0,) * len(grid))
    return State(kind=check.kind, ratios=(check.tolerated, check.margin), tallies=(empty,) * count)


def add(
    check: Comparison,
    state: State,
    candidate: Counters,
    baseline: Counters,
    *,
    weight: float | None = None,
) -> State:
    """Return the state after a batch: what was counted of both since the last.

    What is added may be of any length, but its end must not be chosen by what is in it (a clock or a
    change of the split may end it), and the weights do not change within. Requests wait until there
    are ten, some of each revision, before they are judged as a batch: fewer say nothing, as a single
    request that failed does not show that the other revision's would not have.

    Args:
        check: The one that the state is of.
        state: From `begin`, or from the last `add`.
        candidate: A difference of two looks, as `difference` returns it.
        baseline: The same of the baseline, between the same two moments.
        weight: The candidate's share of both revisions' traffic that the router was told, 0 to 1;
            `SampleRatio` needs it; for the others a change of it ends the batch.

    Raises:
        InvalidInput: If the state is another check's, the counters are impossible (negative, no
            whole numbers, more errors than requests), or a needed weight is missing.
    """
    _same(check, state)
    prove(candidate)
    prove(baseline)
    match check:
        case SampleRatio():
            return sample_ratio.add(check, state, candidate, baseline, weight)
        case ErrorComparison():
            seen = (errors.counts(candidate), errors.counts(baseline))
        case LatencyComparison():
            bounds = slowness.buckets(candidate, baseline)
            if not bounds:
                return state
            if bounds != state.bounds_ms:
                state = replace(_emptied(check, state), bounds_ms=bounds, pooled=(), total=0)
            seen = (slowness.counts(candidate, bounds), slowness.counts(baseline, bounds))
        case _:
            assert_never(check)
    if weight != state.weight:
        state = replace(_emptied(check, state), weight=weight)
    if state.waiting:
        mine, theirs = state.waiting
        seen = (tuple(map(plus, mine, seen[0])), tuple(map(plus, theirs, seen[1])))
    n, m = seen[0][0], seen[1][0]
    return _judged(check, state, seen) if min(n, m) and n + m >= _BATCH else replace(state, waiting=seen)


def _emptied(check: ErrorComparison | LatencyComparison, state: State) -> State:
    """Return the state with what waits in it taken as a batch, however small."""
    return _judged(check, state, state.waiting) if state.waiting else state


def _judged(
    check: ErrorComparison | LatencyComparison, state: State, seen: tuple[tuple[int, ...], ...]
) -> State:
    if isinstance(check, ErrorComparison):
        return errors.judge_batch(check, state, seen)
    return slowness.judge_batch(check, state, seen)


def conclude(check: Comparison, state: State) -> CheckResult:
    """Return the verdict on all that was added.

    Returns:
        ``fail`` once the evidence that the candidate is worse than tolerated reaches
        ``1 / alpha``; ``pass`` once the evidence that it is within the margin reaches
        ``1 / beta``; ``inconclusive`` until then; ``no_data`` below the check's minimum. The
        interval in message and evidence is a confidence sequence: lower bound at level ``alpha``, upper
        bound at level ``beta``.

    Raises:
        InvalidInput: If the state is another check's.
    """
    _same(check, state)
    match check:
        case ErrorComparison():
            return errors.conclude(check, state)
        case LatencyComparison():
            return slowness.conclude(check, state)
        case SampleRatio():
            return sample_ratio.conclude(check, state)
        case _:
            assert_never(check)


def _same(check: Comparison, state: State) -> None:
    wanted = begin(check)
    if state.ratios is wanted.ratios:
        return  # grown from begin(check) itself
    if (
        (wanted.kind, wanted.ratios) != (state.kind, state.ratios)
        or len(wanted.tallies) != len(state.tallies)
        or any(len(each.likelihoods) != len(wanted.tallies[0].likelihoods) for each in state.tallies)
    ):
        msg = f"the state is of a {state.kind!r} with the ratios {state.ratios!r}, not of {check!r}: begin(check) makes one"
        raise InvalidInput(msg)

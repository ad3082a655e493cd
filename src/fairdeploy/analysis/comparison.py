"""The candidate beside the baseline, over a whole rollout: begin, add what was counted, conclude."""

from __future__ import annotations

from functools import lru_cache
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

    A batch may be of any length, but its end must not be chosen by what is in it (a clock or a
    change of the split may end it), and within one the weights do not change.

    Args:
        check: The one that the state is of.
        state: From `begin`, or from the last `add`.
        candidate: A difference of two looks, as `difference` returns it.
        baseline: The same of the baseline, between the same two moments.
        weight: The candidate's share of both revisions' traffic that the router was told, 0 to 1;
            only `SampleRatio` asks for it.

    Raises:
        InvalidInput: If the state is another check's, the counters are impossible (negative, no
            whole numbers, more errors than requests), or a needed weight is missing.
    """
    _same(check, state)
    prove(candidate)
    prove(baseline)
    match check:
        case ErrorComparison():
            return errors.add(check, state, candidate, baseline)
        case LatencyComparison():
            return slowness.add(check, state, candidate, baseline)
        case SampleRatio():
            return sample_ratio.add(check, state, candidate, baseline, weight)
        case _:
            assert_never(check)


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
    if (
        (wanted.kind, wanted.ratios) != (state.kind, state.ratios)
        or len(wanted.tallies) != len(state.tallies)
        or any(len(each.likelihoods) != len(wanted.tallies[0].likelihoods) for each in state.tallies)
    ):
        msg = f"the state is of a {state.kind!r} with the ratios {state.ratios!r}, not of {check!r}: begin(check) makes one"
        raise InvalidInput(msg)

"""Whether requests are split as told: a sequential test for a sample ratio mismatch.

Which revision a request went to has the odds ``r w / (1 - w)``, where the router was told the weight
``w`` and does ``r`` times that. Given the batches' sizes that is a product of binomials, whatever the
load does (Lindon and Malek 2022, arXiv:2011.03567); keeping the ratio ``r`` as the parameter carries
the evidence through changing weights. The mixture over ratios, either way, is an e-process.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import exp, log, log1p

from fairdeploy.analysis.evidence import log_mean, weigh
from fairdeploy.analysis.state import State
from fairdeploy.analysis.tallying import grown
from fairdeploy.analysis.words import beside, e_value, recorded
from fairdeploy.errors import InvalidInput
from fairdeploy.model import CheckResult, Counters, SampleRatio, Verdict

__all__ = ["add", "conclude", "grid"]

_STEP = 0.05
"""Between neighbours of the grid, in logarithms."""
_WIDEST = 60
"""Steps from 1 to the end of the grid, either way: a factor of 20."""


@lru_cache(maxsize=64)
def grid(check: SampleRatio) -> tuple[float, ...]:
    """Return the ratios, of what is done to what was told, for which evidence is kept."""
    exact = {1 / check.margin, 1 / check.tolerated, check.tolerated, check.margin}
    regular = [exp(step * _STEP) for step in range(-_WIDEST, _WIDEST + 1)]
    kept = [each for each in regular if all(abs(log(each / one)) > _STEP / 2 for one in exact)]
    return tuple(sorted([*kept, *exact]))


def add(
    check: SampleRatio, state: State, candidate: Counters, baseline: Counters, weight: float | None
) -> State:
    """Return the state after a batch.

    Raises:
        InvalidInput: If the weight is missing.
    """
    if weight is None or not 0 <= weight <= 1:
        msg = f"weight must be the share that the router was told, from 0 to 1, not {weight!r}"
        raise InvalidInput(msg)
    if weight in {0, 1}:  # nothing is split
        return state
    n, m = candidate.requests, baseline.requests
    by = tuple(n * log(each) - (n + m) * log1p(weight * (each - 1)) for each in grid(check))
    return replace(
        state,
        candidate=state.candidate + n,
        baseline=state.baseline + m,
        tallies=(grown(state.tallies[0], (n, m), by),),
    )


def conclude(check: SampleRatio, state: State) -> CheckResult:
    """Return the verdict."""
    requests = state.candidate + state.baseline
    if requests < check.min_requests:
        return CheckResult(
            Verdict.NO_DATA,
            f"{requests} of {check.min_requests} requests",
            evidence={"requests": [state.candidate, state.baseline], "min_requests": check.min_requests},
        )
    found = weigh(grid(check), state.tallies[0].likelihoods, check.burst)
    more = found.against_at_most(check.tolerated)
    less = found.against_at_least(1 / check.tolerated)
    off = log_mean([more, less])
    within = min(found.against_at_least(check.margin), found.against_at_most(1 / check.margin))
    bounds = found.interval(check.alpha / 2, check.alpha / 2)
    if off >= -log(check.alpha):
        verdict = Verdict.FAIL
    elif within >= -log(check.beta):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    return CheckResult(
        verdict,
        f"the candidate's share is {beside(bounds, 'what the router was told')}: {state.candidate} of {requests} requests",
        evidence={
            "e_value": e_value(off),
            "e_value_pass": e_value(within),
            "odds_ratio": recorded(bounds),
            "confidence": round(1 - check.alpha, 6),
            "requests": [state.candidate, state.baseline],
        },
    )

"""Error rates, compared: the batch-conditional e-process.

For a batch with so many requests and so many errors of both revisions, which of them failed is a
draw without replacement if the candidate is not worse, whatever the common error rate and the
weights. So changing weights and a changing load cannot raise an alarm (the test of Cochran,
Mantel and Haenszel, made sequential). See `odds` and `evidence` for the formulas.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, log, log1p

from fairdeploy.analysis.evidence import log_mean, weigh
from fairdeploy.analysis.odds import odds_grid
from fairdeploy.analysis.state import State
from fairdeploy.analysis.tallying import tallied
from fairdeploy.analysis.words import beside, e_value, recorded, too_few
from fairdeploy.model import CheckResult, Counters, ErrorComparison, Verdict

__all__ = ["conclude", "counts", "judge_batch", "log_rarer"]

_FRACTIONS = (0.5, 0.2, 0.1, 0.0)
"""Error rates, as parts of the negligible one, whose mean likelihood ratio proves a smaller one."""


def counts(seen: Counters) -> tuple[int, ...]:
    """Return what is kept of a revision's counters: requests and errors."""
    return (seen.requests, seen.errors)


def judge_batch(check: ErrorComparison, state: State, seen: tuple[tuple[int, ...], ...]) -> State:
    """Return the state, with nothing that waits, after a batch: `counts` of candidate and baseline."""
    (n, x), (m, y) = seen
    tally = tallied(state.tallies[0], odds_grid(check.tolerated, check.margin), (x, y), (n, m))
    return replace(
        state, candidate=state.candidate + n, baseline=state.baseline + m, tallies=(tally,), waiting=()
    )


def conclude(check: ErrorComparison, state: State) -> CheckResult:
    """Return the verdict."""
    if min(state.candidate, state.baseline) < check.min_requests:
        return too_few(state, check.min_requests)
    tally = state.tallies[0]
    found = weigh(odds_grid(check.tolerated, check.margin), tally.likelihoods, check.burst)
    worse, within = found.against_at_most(check.tolerated), found.against_at_least(check.margin)
    bounds = found.interval(check.alpha, check.beta)
    rarer = log_rarer(check, tally.candidate, state.candidate) if check.negligible_percent else -inf
    passed = log_mean([within, rarer]) if check.negligible_percent else within
    if worse >= -log(check.alpha):
        verdict = Verdict.FAIL
    elif passed >= -log(check.beta):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    rare = f", and rarer than {check.negligible_percent:g} %" if rarer >= -log(check.beta) else ""
    return CheckResult(
        verdict,
        f"errors {beside(bounds)}{rare}: {tally.candidate} of {state.candidate} requests, "
        f"{tally.baseline} of {state.baseline} of stable's",
        evidence={
            "e_value": e_value(worse),
            "e_value_pass": e_value(passed),
            "odds_ratio": recorded(bounds),
            "confidence": round(1 - check.alpha - check.beta, 6),
            "requests": [state.candidate, state.baseline],
            "errors": [tally.candidate, tally.baseline],
        },
    )


def log_rarer(check: ErrorComparison, errors: float, requests: float) -> float:
    """Return the log e-value against an error rate of the candidate of at least the negligible one."""
    limit = check.negligible_percent / 100
    logs = []
    for fraction in _FRACTIONS:
        rate = limit * fraction
        failed = 0.0 if not errors else errors * log(fraction) if fraction else -inf
        logs.append((failed + (requests - errors) * (log1p(-rate) - log1p(-limit))) / check.burst)
    return log_mean(logs)

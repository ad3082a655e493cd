"""Latency, compared: slow answers are counted like errors.

What is slow is told by what both revisions answered in earlier batches: the bucket bound nearest
to each quantile. So the threshold is known before the batch that is judged by it, and the test of
`errors` holds for each quantile; the mean of their e-values is one too. Nothing is assumed of the
distribution of latencies, only that it is the same for both within a batch, if the candidate is
not worse.
"""

from __future__ import annotations

from dataclasses import replace
from math import isinf, log
from operator import add as plus

from fairdeploy.analysis.counted import measured
from fairdeploy.analysis.evidence import log_mean, weigh
from fairdeploy.analysis.odds import odds_grid
from fairdeploy.analysis.state import State
from fairdeploy.analysis.tallying import tallied
from fairdeploy.analysis.words import beside, e_value, too_few
from fairdeploy.model import CheckResult, Counters, Histogram, LatencyComparison, Verdict

__all__ = ["add", "conclude", "thresholds"]


def add(check: LatencyComparison, state: State, candidate: Counters, baseline: Counters) -> State:
    """Return the state after a batch. One whose buckets are not those of earlier ones begins to pool anew."""
    n, m = measured(candidate), measured(baseline)
    bounds = _bounds(candidate.latency) or _bounds(baseline.latency)
    fast = [_fast(each.latency, bounds) for each in (candidate, baseline)]
    if not bounds or fast[0] is None or fast[1] is None:
        return state
    mine, theirs = fast[0], fast[1]
    same = bounds == state.bounds_ms
    total = state.candidate + state.baseline if same else 0
    tallies = list(state.tallies)
    grid = odds_grid(check.tolerated, check.margin)
    for index, at in enumerate(_nearest(check, state.pooled, total) if total else ()):
        tallies[index] = tallied(tallies[index], grid, (n - mine[at], m - theirs[at]), (n, m))
    pooled = map(plus, mine, theirs)
    return replace(
        state,
        candidate=state.candidate + n,
        baseline=state.baseline + m,
        tallies=tuple(tallies),
        bounds_ms=bounds,
        pooled=tuple(map(plus, state.pooled, pooled) if same else pooled),
    )


def conclude(check: LatencyComparison, state: State) -> CheckResult:
    """Return the verdict."""
    if not state.bounds_ms or min(state.candidate, state.baseline) < check.min_requests:
        return too_few(state, check.min_requests)
    alpha = check.alpha / len(check.quantiles)
    found = [weigh(check, tally.likelihoods, alpha) for tally in state.tallies]
    worse = log_mean([each.worse for each in found])
    passed = min(each.within for each in found)
    if worse >= -log(check.alpha):
        verdict = Verdict.FAIL
    elif passed >= -log(check.beta):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    limits = thresholds(check, state)
    telling = max(range(len(found)), key=lambda index: found[index].worse)
    tally = state.tallies[telling]
    return CheckResult(
        verdict,
        f"answers above {limits[telling]:g} ms (p{100 * check.quantiles[telling]:g}) {beside(found[telling].bounds)}: "
        f"{tally.candidate} of {state.candidate} requests, {tally.baseline} of {state.baseline} of stable's",
        evidence={
            "e_value": e_value(worse),
            "e_value_pass": e_value(passed),
            "confidence": round(1 - check.alpha - check.beta, 6),
            "requests": [state.candidate, state.baseline],
            "quantiles": [
                {
                    "quantile": quantile,
                    "threshold_ms": limit,
                    "odds_ratio": list(each.bounds),
                    "slow": [slow.candidate, slow.baseline],
                }
                for quantile, limit, each, slow in zip(
                    check.quantiles, limits, found, state.tallies, strict=True
                )
            ],
        },
    )


def thresholds(check: LatencyComparison, state: State) -> tuple[float, ...]:
    """Return what is slow in the next batch, per quantile, in milliseconds."""
    nearest = _nearest(check, state.pooled, state.candidate + state.baseline)
    return tuple(state.bounds_ms[at] for at in nearest)


def _bounds(histogram: Histogram) -> tuple[float, ...]:
    return tuple(float(each) for each in histogram.bounds_ms if not isinf(each))


def _fast(histogram: Histogram, bounds: tuple[float, ...]) -> tuple[int, ...] | None:
    """Return the counts at the bounds; a router that had seen nothing may have told no bounds."""
    if not histogram.bounds_ms:
        return (0,) * len(bounds)
    return histogram.counts[: len(bounds)] if _bounds(histogram) == bounds else None


def _nearest(check: LatencyComparison, pooled: tuple[int, ...], total: int) -> tuple[int, ...]:
    """Return the bound nearest to each quantile, in log odds: 98 % is nearer to 99 % than 99.99 % is."""
    logits = [log((fast + 0.5) / (total - fast + 0.5)) for fast in pooled]
    return tuple(
        min(range(len(logits)), key=lambda index: abs(logits[index] - log(quantile / (1 - quantile))))
        for quantile in check.quantiles
    )

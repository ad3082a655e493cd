"""Latency, compared: slow answers are counted like errors.

What is slow is told by what both revisions answered in earlier batches: the bucket bound nearest
to each quantile. So the threshold is known before the batch that is judged by it, and the test of
`errors` holds for each quantile; the mean of their e-values is one too. Nothing is assumed of the
distribution of latencies, only that it is the same for both within a batch, if the candidate is
not worse.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import lru_cache
from math import isinf, log

from fairdeploy.analysis.counted import measured
from fairdeploy.analysis.evidence import log_mean, weigh
from fairdeploy.analysis.odds import odds_grid
from fairdeploy.analysis.state import State
from fairdeploy.analysis.tallying import tallied
from fairdeploy.analysis.words import beside, e_value, recorded, too_few
from fairdeploy.model import CheckResult, Counters, LatencyComparison, Verdict

__all__ = ["buckets", "conclude", "counts", "judge_batch", "thresholds"]


def buckets(candidate: Counters, baseline: Counters) -> tuple[float, ...]:
    """Return the bounds of both histograms, without an infinite one; none if they are not the same.

    A router that had seen no request of a revision may have told no bounds.
    """
    mine, theirs = _finite(candidate.latency.bounds_ms), _finite(baseline.latency.bounds_ms)
    return mine or theirs if mine == theirs or not mine or not theirs else ()


def counts(seen: Counters, bounds: tuple[float, ...]) -> tuple[int, ...]:
    """Return what is kept of a revision's counters: measured requests, and those up to each bound."""
    fast = seen.latency.counts[: len(bounds)] or (0,) * len(bounds)
    return (measured(seen) if seen.latency.bounds_ms else 0, *fast)


def judge_batch(check: LatencyComparison, state: State, seen: tuple[tuple[int, ...], ...]) -> State:
    """Return the state, with nothing that waits, after a batch: `counts` of candidate and baseline."""
    (n, *mine), (m, *theirs) = seen
    pooled = state.pooled or (0,) * len(state.bounds_ms)
    earlier = state.total
    tallies = list(state.tallies)
    grid = odds_grid(check.tolerated, check.margin)
    for index, at in enumerate(_nearest(tuple(check.quantiles), pooled, earlier) if earlier else ()):
        tallies[index] = tallied(tallies[index], grid, (n - mine[at], m - theirs[at]), (n, m))
    return replace(
        state,
        candidate=state.candidate + n,
        baseline=state.baseline + m,
        tallies=tuple(tallies),
        pooled=tuple([a + b + c for a, b, c in zip(pooled, mine, theirs, strict=True)]),
        total=earlier + n + m,
        waiting=(),
    )


def conclude(check: LatencyComparison, state: State) -> CheckResult:
    """Return the verdict."""
    if not state.total or min(state.candidate, state.baseline) < check.min_requests:
        return too_few(state, check.min_requests)
    grid = odds_grid(check.tolerated, check.margin)
    found = [weigh(grid, tally.likelihoods, check.burst) for tally in state.tallies]
    against = [each.against_at_most(check.tolerated) for each in found]
    worse = log_mean(against)
    passed = min(each.against_at_least(check.margin) for each in found)
    bounds = [each.interval(check.alpha / len(found), check.beta) for each in found]
    if worse >= -log(check.alpha):
        verdict = Verdict.FAIL
    elif passed >= -log(check.beta):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    limits = thresholds(check, state)
    telling = max(range(len(found)), key=against.__getitem__)
    tally = state.tallies[telling]
    return CheckResult(
        verdict,
        f"answers above {limits[telling]:g} ms (p{100 * check.quantiles[telling]:g}) {beside(bounds[telling])}: "
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
                    "odds_ratio": recorded(each),
                    "slow": [slow.candidate, slow.baseline],
                }
                for quantile, limit, each, slow in zip(
                    check.quantiles, limits, bounds, state.tallies, strict=True
                )
            ],
        },
    )


def thresholds(check: LatencyComparison, state: State) -> tuple[float, ...]:
    """Return what is slow in the next batch, per quantile, in milliseconds."""
    nearest = _nearest(tuple(check.quantiles), state.pooled, state.total)
    return tuple(state.bounds_ms[at] for at in nearest)


@lru_cache(maxsize=64)
def _finite(bounds: tuple[float, ...]) -> tuple[float, ...]:
    """Return bounds without an infinite one; a router's are the same at every look."""
    return tuple(float(each) for each in bounds if not isinf(each))


@lru_cache(maxsize=64)  # a verdict and the next batch ask for the same
def _nearest(quantiles: tuple[float, ...], pooled: tuple[int, ...], total: int) -> tuple[int, ...]:
    """Return the bound nearest to each quantile, in log odds: 98 % is nearer to 99 % than 99.99 % is."""
    found = []
    for quantile in quantiles:
        above = bisect_left(pooled, quantile * total, hi=len(pooled) - 1)
        below = max(0, above - 1)
        wanted = quantile / (1 - quantile)
        # In logarithms, the middle between two odds is the root of their product.
        product = _odds(pooled[below], total) * _odds(pooled[above], total)
        found.append(below if wanted * wanted <= product else above)
    return tuple(found)


def _odds(fast: int, total: int) -> float:
    return (fast + 0.5) / (total - fast + 0.5)

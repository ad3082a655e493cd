"""Rollouts of made-up traffic, with a seed: what a comparison says about them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf

import numpy as np

from fairdeploy.analysis import add, begin, conclude
from fairdeploy.model import (
    Counters,
    ErrorComparison,
    Histogram,
    LatencyComparison,
    Stage,
    Verdict,
)

__all__ = ["errors_end", "latency_end"]

_BOUNDS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1_000, 2_000, 5_000, inf)


def _pieces(stages: Sequence[Stage], seconds: float, until: float) -> list[tuple[float, float, float]]:
    """Return pieces of time as (end, length, weight): looks come at a fixed rate and at each new split."""
    found, now = [], 0.0
    for stage in stages:
        end = now + stage.duration_ms / 1_000
        while now < min(end, until):
            length = min(seconds, end - now, until - now)
            now += length
            found.append((now, length, stage.weight))
        now = end
    return found


def errors_end(
    check: ErrorComparison,
    stages: Sequence[Stage],
    chance: np.random.Generator,
    *,
    rate: float,
    baseline: float,
    candidate: float,
    every: float = 1.0,
    until: float = inf,
) -> tuple[Verdict, float]:
    """Return the first pass or fail of a rollout, and when; else the last verdict at its end."""
    state, now = begin(check), 0.0
    for end, length, weight in _pieces(stages, every, until):
        now = end
        n, m = (int(chance.poisson(rate * length * share)) for share in (weight, 1 - weight))
        state = add(
            check,
            state,
            Counters(requests=n, errors=int(chance.binomial(n, candidate))),
            Counters(requests=m, errors=int(chance.binomial(m, baseline))),
            weight=weight,
        )
        verdict = conclude(check, state).verdict
        if verdict in {Verdict.PASS, Verdict.FAIL}:
            return verdict, now
    return conclude(check, state).verdict, now


def _histogram(durations: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Counters:
    counts = np.searchsorted(np.sort(durations), _BOUNDS, side="right")
    return Counters(
        requests=len(durations),
        latency=Histogram(
            bounds_ms=tuple(float(each) for each in _BOUNDS), counts=tuple(int(each) for each in counts)
        ),
    )


def latency_end(
    check: LatencyComparison,
    chance: np.random.Generator,
    *,
    slower: float = 1.0,
    tail: float = 0.0,
    weights: Sequence[float] = (0.1,),
    batches: int = 400,
    batch: int = 100,
) -> tuple[Verdict, int]:
    """Return the verdict of a rollout of lognormal latencies (median 60 ms, sigma 0.5), and after how many requests.

    Args:
        check: The comparison.
        chance: With its seed.
        slower: Factor on all of the candidate's latencies.
        tail: Part of its requests that take ten times as long.
        weights: Of the candidate, one after the other, equally long.
        batches: Looks in all.
        batch: Requests in each.
    """
    state, ends = begin(check), np.linspace(0, batches, len(weights) + 1)
    for (first, last), weight in zip(pairwise(ends), weights, strict=True):
        for index in range(int(first), int(last)):
            n = int(chance.binomial(batch, weight))
            mine = 60 * chance.lognormal(0, 0.5, n) * slower * np.where(chance.random(n) < tail, 10, 1)
            theirs = 60 * chance.lognormal(0, 0.5, batch - n)
            state = add(check, state, _histogram(mine), _histogram(theirs), weight=weight)
            verdict = conclude(check, state).verdict
            if verdict is Verdict.FAIL:
                return verdict, (index + 1) * batch
    return conclude(check, state).verdict, batches * batch

"""How often verdicts are false, and how many requests a true one takes: ours, and how others decide."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, sin, tau
from statistics import mean, median
from typing import TypeAlias

import numpy as np
from scipy.stats import mannwhitneyu

from _figures import title
from _rules import Oracle, Rule, rules, side_of, wald
from fairdeploy.analysis import add, begin, conclude
from fairdeploy.model import (
    Comparison,
    Counters,
    ErrorComparison,
    Histogram,
    LatencyComparison,
    Verdict,
)

Chance: TypeAlias = np.random.Generator

LOOK = 20
"""Requests of both revisions between two looks, where requests to a verdict are counted."""
BOUNDS_MS = (
    *(1, 2, 3, 4, 5, 7, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750),
    *(1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 30_000, inf),
)
"""The buckets of our Envoy."""
_ROUNDS = 1_000
"""Of five updates: the best is the one that was disturbed least."""


@dataclass
class Traffic:
    """A rollout's traffic, as functions of how much of it is over (0 to 1).

    Args:
        name: What it is.
        requests: Of both, in all.
        look: Of both, between two looks.
        weight: Of the candidate.
        rate: Of errors, the same for both.
        group: Errors that come together, all at one revision.
    """

    name: str
    requests: int
    look: int
    weight: Callable[[float], float]
    rate: Callable[[float], float]
    group: int = 1

    def batch(self, chance: Chance, part: float) -> tuple[int, int, int, int]:
        """Return errors and requests of candidate and baseline between two looks."""
        weight, rate = self.weight(part), self.rate(part)
        n = int(chance.binomial(self.look, weight))
        m = self.look - n
        if self.group == 1:
            return int(chance.binomial(n, rate)), n, int(chance.binomial(m, rate)), m
        groups = int(chance.binomial(self.look, rate / self.group))
        mine = int(chance.binomial(groups, weight))
        return min(n, self.group * mine), n, min(m, self.group * (groups - mine)), m


def ramp(part: float) -> float:
    """Return a weight that goes 1, 5, 50 %."""
    return (0.01, 0.05, 0.5)[min(2, int(3 * part))]


SOUND = (
    Traffic("constant: 10 %, 1 % errors", 20_000, 100, lambda _: 0.1, lambda _: 0.01),
    Traffic(
        "drifting: 10 %, 0.2-1.8 % errors",
        20_000,
        100,
        lambda _: 0.1,
        lambda t: 0.01 + 0.008 * sin(3 * tau * t),
    ),
    Traffic("ramping: 1-5-50 %, errors 1-5 %", 20_000, 100, ramp, lambda t: 0.05 if t > 2 / 3 else 0.01),
    Traffic("errors in groups of 5: 10 %, 1 %", 20_000, 100, lambda _: 0.1, lambda _: 0.01, group=5),
)
FAULTS = ((0.01, 1.0, 0.1, 3_000), (0.01, 0.05, 0.1, 20_000), (0.001, 0.01, 0.1, 40_000))
"""Error rate of the baseline, of the candidate; weight; requests after which nobody looks any more."""


def false_alarms(alpha: float, runs: int, seed: int, only: str | None) -> None:
    """Print in how many rollouts of a sound candidate each rule convicts it."""
    title(f"false alarms per rollout of a sound candidate, α = {alpha:g}, {runs} rollouts each, seed {seed}")
    for traffic in SOUND:
        chance = np.random.default_rng(seed)
        made = {name: make for name, make in rules().items() if only in {None, name}}
        alarms = dict.fromkeys(made, 0)
        for _ in range(runs):
            watching = {name: make(alpha) for name, make in made.items()}
            for done in range(0, traffic.requests, traffic.look):
                part = done / traffic.requests
                batch = traffic.batch(chance, part)
                for name, rule in list(watching.items()):
                    if rule.look(*batch, traffic.weight(part)):
                        alarms[name] += 1
                        del watching[name]
        shares = {name: 100 * count / runs for name, count in alarms.items()}
        table(traffic.name, {name: f"{share:.1f} %" for name, share in shares.items()}, f"{100 * alpha:g} %")


def requests_to_stop(alpha: float, runs: int, seed: int) -> None:
    """Print how many requests each rule takes to convict a faulty candidate."""
    title(
        f"requests (both revisions) until a faulty candidate is convicted: median / mean, α = {alpha:g}, seed {seed}"
    )
    for baseline, candidate, weight, most in FAULTS:
        chance = np.random.default_rng(seed)
        known = "Wald's test, told the rates"
        stops: dict[str, list[int]] = {name: [] for name in (*rules(), known)}
        for _ in range(runs):
            watching: dict[str, Rule] = {name: make(alpha) for name, make in rules().items()}
            watching[known] = Oracle(alpha, side_of(baseline, candidate, weight))
            done = 0
            while watching and done < most:
                done += LOOK
                n = int(chance.binomial(LOOK, weight))
                m = LOOK - n
                x, y = int(chance.binomial(n, candidate)), int(chance.binomial(m, baseline))
                for name, rule in list(watching.items()):
                    if rule.look(x, n, y, m, weight):
                        stops[name].append(done)
                        del watching[name]
        bound = wald(alpha, baseline, candidate, weight)
        ours = stops["ours"]
        ratio = (
            f"{median(ours) / bound:.2f} / {mean(ours) / bound:.2f} × Wald's {bound:,.0f}" if ours else "-"
        )
        table(
            f"{100 * baseline:g} → {100 * candidate:g} %, ours {ratio}",
            {name: found(each, runs) for name, each in stops.items()},
            "1.4 × Wald",
        )


def found(stops: Sequence[int], runs: int) -> str:
    """Return median and mean of the runs that found it, and how many did."""
    if not stops:
        return "never"
    share = "" if len(stops) == runs else f" ({100 * len(stops) / runs:.0f} %)"
    return f"{median(stops):,.0f} / {mean(stops):,.0f}{share}"


def table(what: str, row: dict[str, str], budget: str) -> None:
    """Print one row, ours first."""
    print(f"  {what}   budget {budget}")
    for name, value in row.items():
        print(f"      {name:<28} {value:>22}")
    sys.stdout.flush()


def latencies(chance: Chance, count: int, slower: float, tail: float) -> np.ndarray:
    """Return lognormal latencies: median 60 ms, sigma 0.5; all slower, or a part ten times as slow."""
    return 60 * chance.lognormal(0, 0.5, count) * slower * np.where(chance.random(count) < tail, 10, 1)


def histogram(durations: np.ndarray) -> Counters:
    """Return what a router with our buckets counts."""
    counts = np.searchsorted(np.sort(durations), BOUNDS_MS, side="right")
    return Counters(
        requests=len(durations),
        latency=Histogram(bounds_ms=tuple(map(float, BOUNDS_MS)), counts=tuple(map(int, counts))),
    )


def latency(runs: int, seed: int) -> None:
    """Print requests until a slower candidate is convicted, and false alarms; 10 % weight, looks every 100."""
    title(f"latency, α = 0.05, 10 % weight, {runs} rollouts each, seed {seed}: requests, median / mean")
    for what, slower, part, most in (
        ("no slower (false alarms)", 1.0, 0.0, 10_000),
        ("all requests 20 % slower", 1.2, 0.0, 10_000),
        ("5 % of requests 10 × slower", 1.0, 0.05, 10_000),
    ):
        chance = np.random.default_rng(seed)
        stops: dict[str, list[int]] = {"ours": [], "Mann-Whitney, peeked": [], "Flagger p99 <= 500 ms, 5": []}
        for _ in range(runs):
            for name, stop in slow_run(chance, slower, part, most).items():
                stops[name].append(stop)
        if slower == 1 and not part:
            table(what, {name: f"{100 * len(each) / runs:.1f} %" for name, each in stops.items()}, "5 %")
        else:
            table(what, {name: found(each, runs) for name, each in stops.items()}, "-")


def slow_run(chance: Chance, slower: float, part: float, most: int) -> dict[str, int]:
    """Return when each rule convicts, of those that do."""
    check = LatencyComparison()
    state, stops = begin(check), {}
    mine, theirs, failed = np.array([]), np.array([]), 0
    for done in range(100, most + 1, 100):
        n = int(chance.binomial(100, 0.1))
        fresh, base = latencies(chance, n, slower, part), latencies(chance, 100 - n, 1, 0)
        mine, theirs = np.append(mine, fresh), np.append(theirs, base)
        if "ours" not in stops:
            state = add(check, state, histogram(fresh), histogram(base), weight=0.1)
            if conclude(check, state).verdict is Verdict.FAIL:
                stops["ours"] = done
        peeked = "Mann-Whitney, peeked"
        if peeked not in stops and mannwhitneyu(mine, theirs, alternative="greater").pvalue < 0.05:
            stops[peeked] = done
        if not done % 600:
            failed += bool(np.quantile(mine[-60:], 0.99) > 500)
            if failed == 5:
                stops["Flagger p99 <= 500 ms, 5"] = done
        if len(stops) == 3:
            break
    return stops


def update_time(times: int) -> None:
    """Print how long one batch takes: adding it, and the verdict."""
    title(f"one update: add a batch, and conclude (processor time, best of {_ROUNDS} rounds)")
    chance = np.random.default_rng(1)
    errors, slow = ErrorComparison(), LatencyComparison()
    quick = [histogram(latencies(chance, size, 1, 0)) for size in (10, 90)]
    many = [histogram(latencies(chance, size, 1, 0)) for size in (1_000, 1_000)]
    cases: list[tuple[str, Comparison, Counters, Counters]] = [
        ("errors: 100 requests, none failed", errors, Counters(requests=10), Counters(requests=90)),
        (
            "errors: 100 requests, 3 failed",
            errors,
            Counters(requests=10, errors=2),
            Counters(requests=90, errors=1),
        ),
        (
            "errors: 2,000 requests, 40 failed",
            errors,
            Counters(requests=1_000, errors=25),
            Counters(requests=1_000, errors=15),
        ),
        (
            "errors: 100,000 requests, 10,000 failed",
            errors,
            Counters(requests=50_000, errors=5_050),
            Counters(requests=50_000, errors=4_950),
        ),
        ("latency: 100 requests, three quantiles", slow, quick[0], quick[1]),
        ("latency: 2,000 requests, three quantiles", slow, many[0], many[1]),
    ]
    for what, check, candidate, baseline in cases:
        whole, counted = timed(updates(check, candidate, baseline), times), len(begin(check).tallies)
        each = f"   {whole / counted:.0f} µs a quantile" if counted > 1 else ""
        print(f"  {what:<60} {whole:>8.0f} µs   budget 100 µs{each}")


def updates(check: Comparison, candidate: Counters, baseline: Counters) -> Callable[[], object]:
    """Return what takes one look more of a rollout, each time from where the last has ended."""
    state = add(check, begin(check), candidate, baseline)

    def look() -> object:
        nonlocal state
        state = add(check, state, candidate, baseline)
        return conclude(check, state)

    return look


def timed(what: Callable[[], object], times: int) -> float:
    """Return the processor time of one call, in microseconds: the best round's mean."""
    rounds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(times):
            what()
        rounds.append((time.process_time() - began) / times * 1e6)
    return min(rounds)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="rollouts per row (latency: a fifth)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", choices=["alarms", "stop", "latency", "time"], help="one part of it")
    parser.add_argument(
        "--rule", choices=list(rules()), help="false alarms of one rule only, for many rollouts"
    )
    given = parser.parse_args()
    if given.only in {None, "time"}:
        update_time(5)
    if given.only in {None, "stop"}:
        requests_to_stop(0.05, given.runs, given.seed)
    if given.only in {None, "latency"}:
        latency(max(1, given.runs // 5), given.seed)
    if given.only in {None, "alarms"}:
        for alpha in (0.05, 0.01):
            false_alarms(alpha, given.runs, given.seed, given.rule)


if __name__ == "__main__":
    main()

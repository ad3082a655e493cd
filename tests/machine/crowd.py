"""Many seeds in many processes."""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.machine.seeded import Run, run_seed

__all__ = ["Sum", "many", "runs_of"]

_AT_ONCE = 50


@dataclass(slots=True)
class Sum:
    """What some runs came to.

    Attributes:
        runs: How many.
        rollouts: How many rollouts in them.
        attention: How many of these ended in need of attention.
        broken: Runs in which something did not hold.
    """

    runs: int = 0
    rollouts: int = 0
    attention: int = 0
    broken: tuple[Run, ...] = ()

    def add(self, other: Sum) -> None:
        """Take in other runs."""
        self.runs += other.runs
        self.rollouts += other.rollouts
        self.attention += other.attention
        self.broken += other.broken


def runs_of(seeds: range) -> Sum:
    """Run some seeds."""
    done = [run_seed(seed) for seed in seeds]
    gc.collect()
    return Sum(
        runs=len(done),
        rollouts=sum(run.rollouts for run in done),
        attention=sum(run.attention for run in done),
        broken=tuple(run for run in done if run.broken),
    )


def _prepare() -> None:
    # A run makes much that dies young, and ends soon: one collection after some of them is enough.
    gc.freeze()
    gc.disable()


def many(first: int, runs: int, processes: int) -> Sum:
    """Run seeds from the first one on, in several processes."""
    parts = [range(seed, min(seed + _AT_ONCE, first + runs)) for seed in range(first, first + runs, _AT_ONCE)]
    total = Sum()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare) as pool:
        for part in pool.map(runs_of, parts):
            total.add(part)
    return total

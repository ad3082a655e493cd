"""Simulated runs from seeds, on all cores: `python -m tests.machine --runs 10000`, or one again: `--seed 17`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.machine.crowd import many, runs_of
from tests.machine.seeded import Run, shortened

__all__ = ["main"]

_STEADY = "PYTHONHASHSEED"


def tell(run: Run) -> None:
    """Print what is broken, how to see it again, and by how little it comes about."""
    shortest = shortened(run)
    print(f"\nseed {run.seed}: {shortest.broken}")
    print("\nwhat happened, as far as it takes:", *shortest.happenings, sep="\n  ")
    print(f"\nsee it again: python -m tests.machine --seed {run.seed}")


def main() -> int:
    """Run what was asked for; return how many seeds are broken, at most 100."""
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, help="run only this one")
    asked = parser.parse_args()
    if os.environ.get(_STEADY) != "0":
        # What is drawn from a set comes in the order of its hashes.
        again = [sys.executable, "-m", "tests.machine", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, _STEADY: "0"})  # noqa: S606 -- this program again
    began = time.monotonic()
    if asked.seed is not None:
        total = runs_of(range(asked.seed, asked.seed + 1))
    else:
        total = many(asked.first, asked.runs, asked.processes)
    seconds = time.monotonic() - began
    print(
        f"{total.runs} runs from seed {asked.first if asked.seed is None else asked.seed}, {total.rollouts} rollouts, "
        f"{total.attention} in need of attention, {len(total.broken)} runs broken; "
        f"{seconds:.1f} s in {asked.processes} processes, {total.runs / seconds:.0f} runs/s"
    )
    for run in total.broken[:3]:
        tell(run)
    return min(len(total.broken), 100)


if __name__ == "__main__":
    sys.exit(main())

"""Simulated runs a second: operators, faults and deaths drawn from seeds, checked after every event."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from _figures import say, title

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.machine.crowd import many
from tests.machine.seeded import run_seed


def main(runs: int, processes: int) -> None:
    """Print how many runs there are a second, in one process and in all."""
    title("simulated runs: two targets, some 2 rollouts a run, every invariant after every event")
    run_seed(0)
    alone = max(1, runs // 4)
    began, used = time.perf_counter(), time.process_time()
    rollouts = sum(run_seed(seed).rollouts for seed in range(alone))
    used, took = time.process_time() - used, time.perf_counter() - began
    say(
        f"runs a second of one process, {alone} runs, {rollouts} rollouts",
        f"{alone / took:.0f}",
        beside=f"{alone / used:.0f} a second of processor time",
    )
    began = time.perf_counter()
    done = many(0, runs, processes)
    took = time.perf_counter() - began
    say(
        f"runs a second in {processes} processes, {done.runs} runs, {done.rollouts} rollouts",
        f"{done.runs / took:.0f}",
        budget="10,000 in 4 min (42 a second)",
    )
    say("runs in which something was broken", str(len(done.broken)), budget="0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    main(asked.runs, asked.processes)

"""What the engine adds to a step, and a thousand rollouts at once in one SQLite file."""

from __future__ import annotations

import argparse
import resource
import sqlite3
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import anyio

from _figures import p, say, title
from fairdeploy import Canary, Deployer, Outcome, Release, Rolling, Target
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Settled, Shift
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World

RELEASES = [Release(version, command=["serve", "{port}"]) for version in ("1", "2")]


def world() -> World:
    """Return a world in which everything happens at once, so that what is left is the engine's own time."""
    return World(default=Behaviour(start_seconds=0.0), ack_seconds=0.0)


def bare_insert(folder: Path) -> float:
    """Return the median time of a bare durable insert into SQLite (WAL, FULL), in milliseconds."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bare (seq INTEGER PRIMARY KEY, text TEXT)")
    samples = []
    for _ in range(300):
        began = time.perf_counter()
        connection.execute("INSERT INTO bare (text) VALUES (?)", ("x" * 200,))
        samples.append((time.perf_counter() - began) * 1000)
    connection.close()
    return p(samples, 50)


async def one_after_another(folder: Path, rollouts: int) -> list[float]:
    """Return the mean time of a step in each of some rollouts of 99 shifts, in milliseconds.

    Shifts are all engine: intent, effect, two looks, end. (A drain would wait by design.)
    """
    samples: list[float] = []
    async with SQLiteJournal.open(folder / "steps.sqlite") as journal:
        deployer = Deployer(SimulatedBackend(world(), journal=journal))
        target = Target("shop", replicas=2, endpoint="127.0.0.1:8080")
        await deployer.deploy(target, RELEASES[0], Rolling())
        canary = Canary(steps=range(1, 101), bake=0, analysis=())
        whole = await deployer.plan(target, RELEASES[1], canary)
        shifts = tuple(step for step in whole.steps if isinstance(step, Shift) and step.id != "shift-100")
        plan = replace(whole, steps=whole.steps[:2] + shifts)
        for _ in range(rollouts):
            async with deployer.run(plan) as rollout:
                times = [event.at_ms async for event in rollout.events() if isinstance(event.record, Settled)]
                await rollout.result()
            samples.append((times[-1] - times[1]) / len(shifts))
            back = replace(whole, steps=(Shift("back", target=target.id, split=whole.bases[0].split),))
            back = replace(back, bases=(replace(whole.bases[0], fingerprint=await moved(deployer, target)),))
            async with deployer.run(back) as rollout:
                await rollout.result()
    return samples


async def moved(deployer: Deployer, target: Target) -> str:
    """Return the fingerprint of the target as it is now."""
    return (await deployer.status(target)).deployment.fingerprint


async def at_once(folder: Path, rollouts: int) -> tuple[float, int]:
    """Return seconds and the number of promoted rollouts."""
    promoted = 0
    async with SQLiteJournal.open(folder / "many.sqlite") as journal:

        async def one(number: int) -> None:
            nonlocal promoted
            # A world of its own each: one simulated world moves all its targets at every look.
            deployer = Deployer(SimulatedBackend(world(), journal=journal), lease=120)
            target = Target(f"app-{number}", replicas=2, endpoint="127.0.0.1:8080")
            result = await deployer.deploy(target, RELEASES[0], Rolling())
            promoted += result.outcome is Outcome.PROMOTED
            result = await deployer.deploy(target, RELEASES[1], Rolling())
            promoted += result.outcome is Outcome.PROMOTED

        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for number in range(rollouts // 2):
                tasks.start_soon(one, number)
        return time.perf_counter() - began, promoted


def size_mb(folder: Path) -> float:
    """Return the size of the journal with its write-ahead log, in MB."""
    return sum(path.stat().st_size for path in folder.glob("many.sqlite*")) / 1e6


def memory_mb() -> float:
    """Return the largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(rollouts: int) -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_insert(folder)
        title("engine overhead per step (two durable records each), simulated backend, SQLite WAL/FULL")
        samples = await one_after_another(folder, 8)
        say(
            "p50 over rollouts of 99 shifts",
            f"{p(samples, 50):.2f} ms",
            budget="5 ms",
            beside=f"bare insert {bare:.2f} ms",
        )
        say("p95", f"{p(samples, 95):.2f} ms")
        title(f"{rollouts} rollouts at once, one SQLite file")
        before, used = memory_mb(), time.process_time()
        seconds, promoted = await at_once(folder, rollouts)
        size = size_mb(folder)
        say(
            f"time ({promoted} promoted)",
            f"{seconds:.1f} s",
            budget="20 s",
            beside=f"processor time {time.process_time() - used:.1f} s",
        )
        say(
            "memory of the process, largest",
            f"{memory_mb():.0f} MB",
            budget="100 MB",
            beside=f"{before:.0f} MB before",
        )
        say("journal on disk", f"{size:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=1_000)
    anyio.run(main, parser.parse_args().rollouts)

"""What an append costs in each journal, beside a bare insert into the same database; a thousand rollouts at once."""

from __future__ import annotations

import argparse
import resource
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg

from _figures import ms, p, say, title
from _postgres import server
from fairdeploy import Canary, Outcome, Release, RolloutResult, Target
from fairdeploy.journal import SQLiteJournal
from fairdeploy.journal.postgres import PostgresJournal
from fairdeploy.model import Deployment, Ended, Intended, Plan, Settled
from fairdeploy.testing.simulation import SimulatedBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.protocols import Journal

APPENDS = 8
"""Of each of the rollouts at once, beside its beginning and its end."""


def plan(app: str) -> Plan:
    """Return a plan as large as plans are."""
    target = Target(app, replicas=2, endpoint="127.0.0.1:8080")
    release = Release("2", command=["serve", "{port}"])
    there = Deployment(target.id, revisions=(), stable=None)
    return Canary(steps=(25, 50, 100)).plan(release, target, there, SimulatedBackend().capabilities)


def bare_sqlite(folder: Path, times: int) -> list[float]:
    """Return the times of bare durable inserts into SQLite (WAL, FULL), in milliseconds."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bare (seq INTEGER PRIMARY KEY, text TEXT)")
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        connection.execute("INSERT INTO bare (text) VALUES (?)", ("x" * 200,))
        samples.append((time.perf_counter() - began) * 1000)
    connection.close()
    return samples


async def bare_postgres(dsn: str, times: int) -> list[float]:
    """Return the times of bare transactions of one insert in PostgreSQL, in milliseconds."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE bare (seq bigserial PRIMARY KEY, text text)")

    async def one() -> None:
        await connection.execute("INSERT INTO bare (text) VALUES ($1)", "x" * 200)

    samples = await timed(one, times)
    await connection.close()
    return samples


async def timed(deed: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Return how long a deed takes, each time, in milliseconds."""
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        await deed()
        samples.append((time.perf_counter() - began) * 1000)
    return samples


async def appends(journal: Journal, times: int) -> list[float]:
    """Return the times of appends of two records, one after the other, in milliseconds."""
    lease = await journal.begin("appends", plan("appends"), "me", 600_000)

    async def one() -> None:
        await journal.append(lease, Settled(step="shift-25"), Intended(step="bake-25"))

    return await timed(one, times)


async def at_once(journal: Journal, rollouts: int) -> float:
    """Return the seconds in which so many rollouts are begun, written and ended, all at once."""

    async def one(number: int) -> None:
        rollout = f"at-once-{number}"
        lease = await journal.begin(rollout, plan(f"app-{number}"), "me", 600_000)
        for step in range(APPENDS):
            await journal.append(lease, Settled(step=f"step-{step}"), Intended(step=f"step-{step + 1}"))
        result = RolloutResult(rollout, outcome=Outcome.PROMOTED)
        await journal.append(lease, Ended(result=result), end=True)

    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(rollouts):
            tasks.start_soon(one, number)
    return time.perf_counter() - began


def size_mb(folder: Path, pattern: str) -> float:
    """Return the size of files in MB."""
    return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6


def memory_mb() -> float:
    """Return the largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def of(name: str, journal: Journal, bare: list[float], times: int, rollouts: int) -> None:
    """Print the figures of one journal."""
    title(f"{name}: an append of two records, p50 / p99 of {times}")
    ours = await appends(journal, times)
    say(
        "append",
        ms(ours, 50, 99),
        beside=f"bare insert {ms(bare, 50, 99)}, {p(ours, 50) / p(bare, 50):.1f} times",
    )
    title(f"{name}: {rollouts} rollouts at once, {APPENDS + 2} writes each")
    before, used = memory_mb(), time.process_time()
    seconds = await at_once(journal, rollouts)
    say("time", f"{seconds:.1f} s", beside=f"processor time {time.process_time() - used:.1f} s")
    say("memory of the process, largest", f"{memory_mb():.0f} MB", beside=f"{before:.0f} MB before")


async def main(times: int, rollouts: int) -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_sqlite(folder, times)
        async with SQLiteJournal.open(folder / "journal.sqlite") as journal:
            await of("SQLite (WAL, FULL)", journal, bare, times, rollouts)
            say("write-ahead log", f"{size_mb(folder, 'journal.sqlite-wal'):.1f} MB")
            say("file", f"{size_mb(folder, 'journal.sqlite'):.1f} MB")
    with server() as running:
        bare = await bare_postgres(running.dsn(), times)
        before = int(running.sql("SELECT pg_current_wal_lsn() - '0/0'"))
        async with PostgresJournal.open(running.dsn()) as tables:
            await of("PostgreSQL", tables, bare, times, rollouts)
        written = int(running.sql("SELECT pg_current_wal_lsn() - '0/0'")) - before
        say("write-ahead log", f"{written / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--rollouts", type=int, default=1_000)
    arguments = parser.parse_args()
    anyio.run(main, arguments.times, arguments.rollouts)

"""Take a database along: releases that migrate it, and what becomes of it when they go back.

    uv run --group databases examples/records.py [--json] [--workdir FOLDER]

A registry of samples (Starlette, asyncpg, Alembic) and a PostgreSQL of its own, from a wheel. Visitors read and write all
the while, and every note that was confirmed is looked for in the end, in the database or in what was kept of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from apps.environments import cache_folder
from apps.place import free_endpoint, open_backend, roll, run_folder
from apps.postgres import own_server
from apps.records import FOLDER, records_release
from apps.story import Counts, Story
from fairdeploy import BlueGreen, Deployer, ErrorRate, Outcome, Target
from fairdeploy.database.backup import read_backup
from fairdeploy.database.comparing import export_lost
from fairdeploy.database.connection import connected
from fairdeploy.database.migrating import alembic
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.database.swapping import frozen
from fairdeploy.rollback.database import Restored, restore_backup
from fairdeploy.strategies import Migrated
from fairdeploy.testing.load import LoadProcess, LoadReport, keep_alive, load_process, post

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fairdeploy import RolloutResult
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.model import MigrationClass

_ROWS = 20_000
_RATE = 40.0
_QUICK = BlueGreen(
    watch=4,
    every=0.2,
    keep_warm=0,
    preview_header=None,
    analysis=(ErrorRate(max_percent=5, min_requests=20),),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What every chapter needs.

    Args:
        story: Tells it.
        deployer: Releases, and knows the database.
        target: Where.
        database: The registry's.
    """

    story: Story
    deployer: Deployer
    target: Target
    database: PostgresDatabase

    @property
    def address(self) -> DatabaseAddress:
        """Where the database is."""
        return self.database.address

    async def release(
        self, version: str, *options: str, to: str, change: MigrationClass = "additive"
    ) -> RolloutResult:
        """Deploy a release that needs a version of the schema."""
        how = Migrated(_QUICK, database="records", to=to, change=change)
        release = records_release(version, self.address, *options)
        result = await roll(self.story, self.deployer, self.target, release, how)
        if not result.promoted:
            for line in result.reason.splitlines()[:6]:
                self.story.say(f"  {line.strip()[:150]}")
        reached = await self.ask("SELECT version_num FROM public.alembic_version")
        now = "frozen" if await frozen(self.address) else "can be written"
        self.story.say(f"  the database: version {reached}, {now}")
        return result

    async def ask(self, query: str) -> object:
        """Return one value of the database."""
        async with connected(self.address, read_only=True) as connection:
            return await connection.fetchval(query)


async def goes_on(stage: Stage) -> None:
    """Add a column first, then the release that shows it."""
    with stage.story.phase("expand", "version 2 shows where a sample was taken: a new column") as phase:
        phase.outcome = (await stage.release("2", "--site", to="0002")).outcome


async def fails(stage: Stage) -> None:
    """Let a migration break: nothing of it stays, and the release never starts."""
    with stage.story.phase(
        "broken migration", "version 3 needs one that divides by zero", expect="rolled_back"
    ) as phase:
        phase.outcome = (await stage.release("3", "--site", to="0003_fails")).outcome


async def goes_back(stage: Stage) -> None:
    """Let a release fail after its migration: application and database go back together."""
    with stage.story.phase(
        "bad code", "version 4 makes a table, and fails every second reader", expect="rolled_back"
    ) as phase:
        result = await stage.release("4", "--site", "--broken", to="0003_readers", change="reversible")
        phase.outcome = result.outcome


async def asks(stage: Stage, folder: Path) -> Restored:
    """Let a migration break half-way: the database is frozen, the loss told to the row, and a person decides."""
    with stage.story.phase(
        "half a migration", "version 5 drops a column, commits, and breaks", expect="needs_attention"
    ) as phase:
        result = await stage.release("5", "--site", to="0003_half", change="destructive")
        phase.outcome = result.outcome
    with stage.story.phase("restore", "somebody agrees to this loss and no other") as phase:
        digest = result.reason.partition("agreed to the loss ")[2][:64]
        backup = read_backup(folder, _newest(folder))
        restored = await restore_backup(stage.address, folder, backup, accept=digest)
        phase.outcome = Outcome.PROMOTED
        stage.story.say(
            f"  in place after a gap of {restored.gap_ms:.0f} ms; before: {restored.kept!r}, to read"
        )
    stage.story.fact("swap_gap_ms", "milliseconds in which nobody could connect", round(restored.gap_ms))
    return restored


async def contracts(stage: Stage) -> None:
    """Take away what no release reads any more: nobody goes back behind that."""
    with stage.story.phase("contract", "the column that nobody reads is dropped") as phase:
        result = await stage.deployer.contract(stage.target, "records", "0003_drop")
        phase.outcome = result.outcome


def _newest(folder: Path) -> str:
    """Return the id of the newest backup."""
    return max(folder.glob("[!.]*.json"), key=lambda path: path.stat().st_mtime).stem


async def rows_exported(stage: Stage, restored: Restored, folder: Path) -> int:
    """Write out what only the database before has, and return how many notes that are."""
    await anyio.Path(folder).mkdir(mode=0o700)
    files = await export_lost(stage.address.named(restored.kept), stage.address, folder)
    lines = [line for file in files if "notes" in file.name for line in file.read_text().splitlines()]
    return len([json.loads(line) for line in lines])


@asynccontextmanager
async def staged(story: Story, folder: Path) -> AsyncGenerator[Stage]:
    """Start PostgreSQL, fill the registry, and open a backend."""
    async with own_server("records") as address, open_backend(folder) as backend:
        migrator = alembic(address, cwd=FOLDER)
        await migrator.upgrade(address.dsn, "0001")
        async with connected(address) as connection:
            await connection.execute(
                "INSERT INTO public.samples (name, legacy) SELECT 'sample ' || n, n FROM generate_series(1, $1) n",
                _ROWS,
            )
        database = PostgresDatabase(address, migrator, folder=folder / "backups")
        target = Target("records", environment="example", replicas=1, endpoint=free_endpoint())
        yield Stage(
            story, Deployer(backend, databases={"records": database}, validate=False), target, database
        )


def _counts(report: LoadReport) -> Counts:
    return Counts(requests=report.requests, lost=report.lost, app_errors=report.app_errors)


async def whole_story(options: argparse.Namespace) -> int:
    """Tell it; return the exit status: 0 if no request and no note was lost."""
    loads: list[LoadProcess] = []
    story = Story(machine=options.json, count=lambda: _counts(loads[0].snapshot()) if loads else Counts())
    async with run_folder(cache_folder(options.workdir), "records") as folder, staged(story, folder) as stage:
        with story.phase("first deploy", f"version 1, {_ROWS:,} samples") as phase:
            release = records_release("1", stage.address)
            phase.outcome = (await roll(story, stage.deployer, stage.target, release, _QUICK)).outcome
        mix = (keep_alive(weight=80), post("/notes", weight=20, size=64))
        async with load_process(f"http://{stage.target.endpoint}", mix=mix, rate=_RATE) as load:
            loads.append(load)
            await goes_on(stage)
            await fails(stage)
            await goes_back(stage)
            restored = await asks(stage, folder / "backups")
            await contracts(stage)
        report = load.report()
        exported = await rows_exported(stage, restored, folder / "lost")
        found = exported + int(str(await stage.ask("SELECT count(*) FROM public.notes")))
        confirmed = report.kinds["post"].ok
        story.fact("notes_confirmed", "notes that visitors saw confirmed", confirmed)
        story.fact("notes_exported", "of these taken out of the database before the restore", exported)
        story.fact("notes_found", "notes found in the end", found)
        story.end(_counts(report))
        return 1 if report.lost or found < confirmed or story.surprises else 0


def main() -> int:
    """Read the command line and tell the story."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with a line of JSON, for programs")
    parser.add_argument(
        "--workdir", type=Path, help="a folder for downloads and state, instead of the user's cache"
    )
    return anyio.run(whole_story, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

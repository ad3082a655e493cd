"""The local backend with a real PostgreSQL as a crash house: programs die between its steps too."""

from __future__ import annotations

import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, final

import asyncpg

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.migrating import CommandMigrator
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.model import Ended, Outcome, Settled
from fairdeploy.rollback import RollbackManager
from fairdeploy.strategies import BlueGreen, Migrated
from fairdeploy.testing.crash import Housing, Story
from fairdeploy.testing.crash.local import LocalHouse, local_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.engine import Deployer
    from fairdeploy.model import Deployment, Job, Release, Target
    from fairdeploy.protocols import Backend, Database, RolloutInfo
    from fairdeploy.testing.crash import CrashHouse, House
    from fairdeploy.testing.load import LoadProcess
    from tests.postgres import PostgresServer

__all__ = ["LEDGER", "LedgerHouse", "house_of"]

TOOL = str(Path(__file__).with_name("ledger") / "tool.py")
LEDGER = """
CREATE TABLE versions (version text);
INSERT INTO versions VALUES ('first');
CREATE TABLE notes (id bigserial PRIMARY KEY, body text, old text);
INSERT INTO notes (body, old) SELECT 'note ' || n, n FROM generate_series(1, 500) n;
"""
NOTES = 500
_QUICK = BlueGreen(watch=0, keep_warm=0, preview_header=None, analysis=())


@final
class LedgerHouse:
    """A `LocalHouse` whose releases need a schema of their own.

    Args:
        dsn: Of the database; it is made anew before each story.
        programs: Folder of PostgreSQL's programs.
        local: The words of the `LocalHouse`.
    """

    def __init__(self, dsn: str, programs: str, *local: str) -> None:
        self._local = LocalHouse(*local)
        self._address = DatabaseAddress(dsn, programs=Path(programs))
        self._backups = Path(local[0]).with_name("backups")

    @property
    def target(self) -> Target:
        """See `CrashHouse.target`."""
        return self._local.target

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """See `CrashHouse.open`."""
        return self._local.open()

    def release(self, version: str) -> Release:
        """See `CrashHouse.release`."""
        return self._local.release(version)

    def job(self, version: str) -> Job:
        """See `CrashHouse.job`."""
        return self._local.job(version)

    def runs(self, version: str) -> int:
        """See `CrashHouse.runs`."""
        return self._local.runs(version)

    def load(self) -> AbstractAsyncContextManager[LoadProcess]:
        """See `CrashHouse.load`."""
        return self._local.load()

    def strays(self, deployment: Deployment) -> Sequence[str]:
        """See `CrashHouse.strays`."""
        return self._local.strays(deployment)

    @property
    def stories(self) -> Mapping[str, Story]:
        """See `Furnished.stories`."""
        return STORIES

    def databases(self) -> Mapping[str, Database]:
        """See `Furnished.databases`."""
        tool = (sys.executable, "-IS", TOOL, str(self._address.programs / "psql"))  # type: ignore[operator]  # it is given
        migrator = CommandMigrator(
            self._address,
            current_command=(*tool, "current"),
            upgrade_command=(*tool, "up", "{version}"),
            downgrade_command=(*tool, "down", "{version}"),
            own_tables=("public.versions",),
        )
        return {"ledger": PostgresDatabase(self._address, migrator, folder=self._backups, amcheck=False)}

    async def ask(self, query: str, *, name: str = "") -> object:
        """Return one value of the database, or of another one of its server."""
        connection = await asyncpg.connect(self._address.named(name or self._address.name).dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    async def begin_anew(self) -> None:
        """Make the database as it was in the beginning, alone and without backups."""
        shutil.rmtree(self._backups, ignore_errors=True)
        for name in await self._names():
            await self.ask(f'DROP DATABASE "{name}" WITH (FORCE)', name="postgres")
        await self.ask(f'CREATE DATABASE "{self._address.name}"', name="postgres")
        await self.ask(f"DO $$ BEGIN {LEDGER} END $$")

    async def _names(self) -> list[str]:
        query = (
            f"SELECT array_agg(datname) FROM pg_database WHERE starts_with(datname, '{self._address.name}')"  # noqa: S608 -- a name of ours
        )
        found = await self.ask(query, name="postgres")
        return list(found) if isinstance(found, list) else []

    async def complaints(self, story: str, infos: Sequence[RolloutInfo]) -> Sequence[str]:
        """See `Furnished.complaints`: version, frozen, rows and what was left beside, by what the rollouts say."""
        wrong: list[str] = []
        state = await self.databases()["ledger"].observe()
        ends = [info.result for info in infos if info.result is not None]
        promoted = any(end.promoted for end in ends)
        asked = [end.reason for end in ends if end.outcome is Outcome.NEEDS_ATTENTION]
        end = (state.version, state.frozen)
        allowed = {(GOAL[story], False)} if promoted else ENDS[story]
        if end not in allowed:
            wrong.append(f"the database is at {end}, it must be at one of {sorted(allowed)}")
        if state.frozen is not bool(asked):
            wrong.append(f"the database is frozen: {state.frozen}, and a person was told: {asked}")
        if asked and "loss" not in asked[0]:
            wrong.append(f"the person was not told of a loss: {asked[0]}")
        kept = [name for name in await self._names() if "_kept_" in name]
        written = [await self.ask("SELECT count(*) FROM notes", name=name) for name in ("", *kept)]
        if max(int(str(count)) for count in written) < NOTES + await self._written(infos, story):
            wrong.append(f"rows are lost: {written} are there")
        if strays := set(await self._names()) - {self._address.name, *kept}:
            wrong.append(f"left over: databases {sorted(strays)}")
        tools = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^fairdeploy .* [0-9]+$'"
        if await self.ask(tools):
            wrong.append("left over: a session of a migration")
        return wrong

    async def _written(self, infos: Sequence[RolloutInfo], story: str) -> int:
        """Return how many rows a story has certainly written: one, if it has recorded that it then gave up."""
        if story not in WRITE:
            return 0
        async with self.open() as backend:
            records = [e.record for info in infos for e in await backend.journal.read(info.id)]
        return int(any(isinstance(r, Ended) and r.result.outcome is Outcome.ABORTED for r in records))


def _good(how: Migrated) -> Story:
    async def deed(deployer: Deployer, house: CrashHouse, version: str) -> None:
        await deployer.deploy(house.target, house.release(version), how)

    return Story(deed=deed, before=_anew)


def _bad(how: Migrated, *, writes: bool = False, attention: bool = False) -> Story:
    """Return a story in which a release is sent back after its migration; somebody may have written by then."""

    async def deed(deployer: Deployer, house: CrashHouse, version: str) -> None:
        assert isinstance(house, LedgerHouse)
        plan = await deployer.plan(house.target, house.release(version), how)
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Settled) and event.record.step == "migrate":
                    if writes:
                        await house.ask("INSERT INTO notes (body) VALUES ('late') RETURNING id")
                    await rollout.abort("to see the way back")
            await rollout.result()

    return Story(deed=deed, before=_anew, attention=attention)


async def _anew(_deployer: Deployer, house: CrashHouse, _version: str) -> None:
    assert isinstance(house, LedgerHouse)
    await house.begin_anew()


async def _contracted(deployer: Deployer, house: CrashHouse, _version: str) -> None:
    await deployer.contract(house.target, "ledger", "dropped")


def _how(to: str, change: str, **more: object) -> Migrated:
    return Migrated(_QUICK, database="ledger", to=to, change=change, **more)  # type: ignore[arg-type]  # as given


async def _migrated(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Have a release to go back from, which has migrated the database."""
    await _anew(deployer, house, version)
    await deployer.deploy(house.target, house.release(f"{version}-0"), _how("indexed", "reversible"))


async def _managed_back(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Go back by the manager, with the database; no hold, for others come after it."""
    last = (await deployer.history(house.target))[-1].id
    manager = RollbackManager(deployer)
    await manager.automated_rollback(last, reason=version, database="back", hold=False)


async def _database_back(deployer: Deployer, house: CrashHouse, _version: str) -> None:
    await RollbackManager(deployer).database_rollback("first", target=house.target)


STORIES: Mapping[str, Story] = {
    "expand": _good(_how("added", "additive", backup=True)),
    "expand, back": _bad(_how("added", "additive")),
    "migrate, back": _bad(_how("indexed", "reversible"), writes=True),
    "restore, agreed": _bad(_how("dropped", "destructive", on_loss="restore"), writes=True),
    "restore, not agreed": _bad(_how("dropped", "destructive"), writes=True, attention=True),
    "read only": _bad(_how("dropped", "destructive", read_only=True)),
    "read only, good": _good(_how("dropped", "destructive", read_only=True)),
    "contract": Story(deed=_contracted, before=_anew),
    "manager, all back": Story(deed=_managed_back, before=_migrated),
    "manager, the database back": Story(deed=_database_back, before=_migrated),
}
GOAL = {
    "expand": "added",
    "read only, good": "dropped",
    "contract": "dropped",
    "manager, all back": "first",
    "manager, the database back": "first",
}
FIRST = ("first", False)
ENDS = {
    "expand": {FIRST, ("added", False)},
    "expand, back": {FIRST, ("added", False)},
    "migrate, back": {FIRST},
    "restore, agreed": {FIRST},
    "restore, not agreed": {FIRST, ("dropped", True)},
    "read only": {FIRST},
    "read only, good": {FIRST},
    "contract": {FIRST},
    "manager, all back": {("indexed", False)},
    "manager, the database back": {("indexed", False)},
}
"""Version and frozen, as they may be where nothing was promoted."""
WRITE = {"migrate, back", "restore, agreed"}


def house_of(server: PostgresServer) -> House:
    """Return the house on a server."""

    @asynccontextmanager
    async def ledger_house() -> AsyncIterator[Housing]:
        async with local_house(replicas=1) as housing:
            words = (server.dsn("ledger"), str(server.binaries.folder), *housing.words)
            yield Housing.of(LedgerHouse, *words)

    return ledger_house

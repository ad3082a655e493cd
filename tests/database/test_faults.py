"""A server that dies, a disk that is full, a replica that lags: never half a state, never silence."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.migrating import CommandMigrator
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.engine import Deployer
from fairdeploy.model import CheckResult, Outcome, Release, SecretRef, Target, Verdict
from fairdeploy.protocols import Fence
from fairdeploy.strategies import BlueGreen, Migrated
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World
from tests.database.crash_house import LEDGER, NOTES, TOOL
from tests.postgres import PASSWORD, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fairdeploy.model import MigrationClass, RolloutResult
    from fairdeploy.protocols import Subject
    from tests.postgres import Binaries, PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

TARGET = Target("shop", replicas=1, endpoint="127.0.0.1:8080")
ONE, TWO = (Release(version, command=["serve", "{port}"]) for version in "12")
PLAIN = BlueGreen(watch=0, keep_warm=0, preview_header=None, analysis=())
FENCE = Fence(epoch=1, key="r:backup")


@pytest.fixture(scope="module")
def server(postgres_binaries: Binaries) -> Iterator[PostgresServer]:
    """Give a server of our own, as it is killed."""
    with started(postgres_binaries, "wal_level=replica", "max_wal_senders=4") as own:
        yield own


@pytest.fixture
def database(server: PostgresServer, tmp_path: Path) -> Iterator[PostgresDatabase]:
    """Give a ledger on it."""
    server.sql("CREATE DATABASE ledger")
    server.sql(LEDGER, "ledger")
    yield ledger(server, tmp_path / "backups")
    if server.process is None:
        server.start()
    for name in server.sql("SELECT datname FROM pg_database WHERE starts_with(datname, 'ledger')").split():
        server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def ledger(server: PostgresServer, folder: Path) -> PostgresDatabase:
    """Return the ledger as steps act on it."""
    address = DatabaseAddress(server.dsn("ledger"), programs=server.binaries.folder)
    tool = (sys.executable, "-IS", TOOL, str(server.binaries.folder / "psql"))
    migrator = CommandMigrator(
        address,
        current_command=(*tool, "current"),
        upgrade_command=(*tool, "up", "{version}"),
        downgrade_command=(*tool, "down", "{version}"),
        own_tables=("public.versions",),
    )
    return PostgresDatabase(address, migrator, folder=folder, amcheck=False)


async def deployed(
    database: PostgresDatabase,
    to: str,
    change: MigrationClass,
    *,
    bad: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
    **more: object,
) -> RolloutResult:
    """Deploy a release that needs a version of the schema; something may happen before its check answers."""

    async def asked(_: Subject, /) -> CheckResult:
        meanwhile()
        return CheckResult(Verdict.FAIL if bad else Verdict.PASS, "as told")

    backend = SimulatedBackend(World(default=Behaviour(start_seconds=0.01)))
    deployer = Deployer(
        backend,
        checks={"asked": asked},
        databases={"ledger": database},
        clock=backend.world.clock,
        validate=False,
    )
    await Deployer(backend, clock=backend.world.clock, validate=False).deploy(TARGET, ONE, PLAIN)
    how = Migrated(PLAIN, database="ledger", to=to, change=change, **more)  # type: ignore[arg-type]  # as given
    plan = await deployer.plan(TARGET, TWO, how)
    async with deployer.run(plan) as rollout:
        return await rollout.result()


async def until(server: PostgresServer, question: str) -> None:
    """Wait until a question to the server is answered with true."""
    connection = await asyncpg.connect(server.dsn())
    try:
        with anyio.fail_after(60):
            while not await connection.fetchval(question):  # noqa: ASYNC110 -- the server sends no news of this
                await anyio.sleep(0.005)
    finally:
        connection.terminate()


@asynccontextmanager
async def killed_when(server: PostgresServer, question: str) -> AsyncIterator[None]:
    """Kill the server once a question is answered with true, and start it again, as whoever keeps it would."""

    async def kill() -> None:
        await until(server, question)
        server.kill()
        await anyio.sleep(0.2)
        await anyio.to_thread.run_sync(server.start)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill)
        yield


async def is_whole(database: PostgresDatabase, version: str, *, frozen: bool = False) -> None:
    """Prove that every row is there, at a version, and nothing was left beside."""
    seen = await database.observe()
    connection = await asyncpg.connect(database.address.dsn)
    try:
        names = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, 'ledger')")
        assert await connection.fetchval("SELECT count(*) FROM notes") == NOTES
    finally:
        await connection.close()
    assert (seen.version, seen.frozen) == (version, frozen)
    assert [row["datname"] for row in names if "_kept_" not in row["datname"]] == ["ledger"]


# The server dies.

BESIDE = "SELECT count(*) > 0 FROM pg_database WHERE datname ~ '_restored_'"
WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE {}"


async def test_it_dies_amid_a_backup(database: PostgresDatabase, server: PostgresServer) -> None:
    """The release does not start, or the backup was taken again; nothing is half done, no file is left."""
    dump = WAITS.format("query ~ 'FROM pg_sequences' AND state = 'idle in transaction'")
    async with killed_when(server, dump):
        result = await deployed(database, "dropped", "destructive")

    assert result.outcome in {Outcome.ROLLED_BACK, Outcome.PROMOTED}, result.reason
    await is_whole(database, "dropped" if result.promoted else "first")
    assert not list(database.folder.glob("*.partial"))


async def test_it_dies_amid_a_migration(database: PostgresDatabase, server: PostgresServer) -> None:
    """Its transaction is undone by the server itself; the rollout says what broke, and the database is as it was."""
    # It stands still before its commit, until it is found there.
    tool = database.migrator
    assert isinstance(tool, CommandMigrator)
    database = replace(database, migrator=replace(tool, env={"LEDGER_PAUSE": "250"}))
    async with killed_when(server, WAITS.format("query ~ 'pg_sleep' AND pid <> pg_backend_pid()")):
        result = await deployed(database, "indexed", "reversible")

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert "migration failed" in result.reason
    await is_whole(database, "first")


async def test_it_dies_amid_a_restore(database: PostgresDatabase, server: PostgresServer) -> None:
    """The way back is begun again when the server is, and comes to its end."""
    async with killed_when(server, BESIDE):
        result = await deployed(database, "dropped", "destructive", bad=True)

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    await is_whole(database, "first")


async def test_it_dies_amid_a_swap(database: PostgresDatabase, server: PostgresServer) -> None:
    """Two renames are one: the database in use has its name all the while, and the swap is finished by the next attempt."""
    async with (
        held_open(database, server),
        killed_when(server, "SELECT NOT datallowconn FROM pg_database WHERE datname = 'ledger'"),
    ):
        result = await deployed(database, "dropped", "destructive", bad=True)

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    await is_whole(database, "first")


@asynccontextmanager
async def held_open(database: PostgresDatabase, server: PostgresServer) -> AsyncIterator[None]:
    """Hold the swap open by a reader who comes while the backup is restored, and does not go when told to."""
    readers: list[asyncpg.Connection] = []

    async def hold() -> None:
        await until(server, BESIDE)
        readers.append(await asyncpg.connect(database.address.dsn))
        os.kill(await readers[0].fetchval("SELECT pg_backend_pid()"), signal.SIGSTOP)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        yield
    for reader in readers:
        reader.terminate()


# The disk is full.


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Let a folder be a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir(mode=0o700)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


async def test_no_room_for_the_backup(
    database: PostgresDatabase, server: PostgresServer, tmp_path: Path
) -> None:
    """The release does not start, the error names the disk, and no half archive is taken for a backup."""
    server.sql(
        "INSERT INTO notes (body) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 100000)",
        "ledger",
    )
    server.sql("DELETE FROM notes WHERE id = 1", "ledger")
    folder = tmp_path / "small"
    with small_disk(folder, 1):
        result = await deployed(ledger(server, folder), "dropped", "destructive")
        left = list(folder.iterdir())

    assert result.outcome is Outcome.ROLLED_BACK
    assert "No space left on device" in result.reason
    assert left == []
    await is_whole(database, "first")


@contextmanager
def on_small_disk(server: PostgresServer, megabytes: int) -> Iterator[Path]:
    """Let the ledger, and what is made beside it, be on a small disk of its own."""
    place = Path(f"{server.folder}-small")
    with small_disk(place, megabytes):
        os.chown(place, server.data.stat().st_uid, -1)
        server.sql(f"CREATE TABLESPACE small LOCATION '{place}'")
        try:
            server.sql("ALTER DATABASE ledger SET TABLESPACE small")
            yield place
        finally:
            for name in server.sql(
                "SELECT datname FROM pg_database WHERE starts_with(datname, 'ledger')"
            ).split():
                server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
            server.sql("DROP TABLESPACE small")


def filled_up(place: Path) -> None:
    """Fill a disk to its last block."""
    with (place / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_no_room_on_the_server(database: PostgresDatabase, server: PostgresServer) -> None:
    """Neither for the copy that proves a backup: that is found before anything is migrated, and the copy is gone."""
    with on_small_disk(server, 18):
        big = "CREATE TABLE big AS SELECT md5(n::text) || md5((n + 1)::text) AS body FROM generate_series(1, 60000) n"
        server.sql(big, "ledger")
        result = await deployed(database, "dropped", "destructive")
        await is_whole(database, "first")

    assert result.outcome is Outcome.ROLLED_BACK
    assert "No space left on device" in result.reason


async def test_no_room_amid_a_migration(database: PostgresDatabase, server: PostgresServer) -> None:
    """Its transaction is undone: the database is as it was, and the end names the disk."""
    with on_small_disk(server, 40) as place:
        filled_up(place)
        result = await deployed(database, "indexed", "reversible", backup=False)
        (place / "ballast").unlink()
        await is_whole(database, "first")

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert "No space left on device" in result.reason


async def test_no_room_for_the_restore(database: PostgresDatabase, server: PostgresServer) -> None:
    """The application is back; the database is frozen as it is, nothing is left beside, and a person is told of the disk."""
    with on_small_disk(server, 40) as place:
        result = await deployed(
            database,
            "dropped",
            "destructive",
            bad=True,
            meanwhile=partial(filled_up, place),
            backup_deadline=60,
        )
        (place / "ballast").unlink()
        await is_whole(database, "dropped", frozen=True)

    assert result.outcome is Outcome.NEEDS_ATTENTION, result.reason
    assert "No space left on device" in result.reason


# The password is another one.


async def test_the_password_is_changed_amid_a_release(
    database: PostgresDatabase, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application is back; that the database could not be looked at is told, and it is whole, as it was migrated."""
    monkeypatch.setenv("LEDGER_PASSWORD", PASSWORD)
    dsn = f"postgresql://postgres@127.0.0.1:{server.port}/ledger"
    address = DatabaseAddress(dsn, password=SecretRef.env("LEDGER_PASSWORD"), programs=server.binaries.folder)
    known = replace(database, address=address, migrator=replace(database.migrator, address=address))  # type: ignore[type-var]  # a CommandMigrator
    try:
        result = await deployed(
            known,
            "dropped",
            "destructive",
            bad=True,
            meanwhile=partial(server.sql, "ALTER ROLE postgres PASSWORD 'another'"),
        )
    finally:
        server.sql(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")

    assert result.outcome is Outcome.NEEDS_ATTENTION, result.reason
    assert "password authentication failed" in result.reason
    assert PASSWORD not in result.reason
    assert result.serving == ((TARGET.id, ONE.revision),)
    await is_whole(database, "dropped")


# A replica lags.


@pytest.fixture
def twin(server: PostgresServer) -> Iterator[PostgresServer]:
    """Give a replica that streams from the server."""
    own = server.clone(Path(f"{server.folder}-twin"))
    own.start()
    yield own
    own.kill()
    shutil.rmtree(own.folder)


async def test_a_replica_is_not_taken_for_the_database(
    database: PostgresDatabase, twin: PostgresServer
) -> None:
    """Nothing can be written there: that is told when the backup is to be taken, and nothing has changed."""
    await until(twin, "SELECT count(*) > 0 FROM pg_database WHERE datname = 'ledger'")
    result = await deployed(ledger(twin, database.folder), "dropped", "destructive")

    assert result.outcome is Outcome.ROLLED_BACK
    assert "recovery" in result.reason or "read-only" in result.reason
    await is_whole(database, "first")


async def caught_up(twin: PostgresServer, server: PostgresServer) -> None:
    """Wait until a replica shows what the server does now."""
    there = server.sql("SELECT pg_current_wal_lsn()").strip()
    await until(twin, f"SELECT pg_last_wal_replay_lsn() >= '{there}'")


async def test_a_replica_that_lags_sees_the_swap_whole(
    database: PostgresDatabase, server: PostgresServer, twin: PostgresServer
) -> None:
    """It shows the database before, as long as it stands still, and then the restored one: never none."""
    await caught_up(twin, server)
    twin.sql("SELECT pg_wal_replay_pause()")
    result = await deployed(database, "dropped", "destructive", bad=True)
    behind = twin.sql("SELECT count(old) FROM notes", "ledger")
    twin.sql("SELECT pg_wal_replay_resume()")
    await caught_up(twin, server)
    now = twin.sql("SELECT count(old) FROM notes", "ledger")

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (int(behind), int(now)) == (NOTES, NOTES)
    await is_whole(database, "first")


async def test_who_waits_for_a_replica_is_not_waited_for_for_ever(
    database: PostgresDatabase, server: PostgresServer
) -> None:
    """Commits that wait for a replica that lags end the step at its deadline, and the end says so."""
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    server.sql("ALTER DATABASE ledger SET synchronous_commit = on")
    server.sql("SELECT pg_reload_conf()")
    try:
        result = await deployed(database, "added", "additive", deadline=5)
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")

    assert result.outcome in {Outcome.ROLLED_BACK, Outcome.NEEDS_ATTENTION}
    assert result.reason
    seen = await database.observe()
    assert seen.version in {"first", "added"}

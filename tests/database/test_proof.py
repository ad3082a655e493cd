"""A million rows under load: whatever becomes of a migration, the rows are what they were, or the report says which are not."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import pytest

from fairdeploy import BlueGreen, Deployer, ErrorRate, HTTPProbe, Outcome, Probes, Release
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.backup import read_backup
from fairdeploy.database.comparing import export_lost
from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import fingerprint
from fairdeploy.database.migrating import alembic
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.rollback.database import restore_backup
from fairdeploy.strategies import Migrated
from fairdeploy.testing.load import keep_alive, new_connection, post
from tests.contracts import source
from tests.proof.stage import lost, stage, under_load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.database.fingerprint import Fingerprint
    from fairdeploy.model import MigrationClass, RolloutResult
    from fairdeploy.testing.load import LoadProcess
    from tests.postgres import Binaries, PostgresServer
    from tests.proof.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.load, pytest.mark.proof, pytest.mark.timeout(600)]

ROWS = int(os.environ.get("FAIRDEPLOY_PROOF_ROWS", "1000000"))
RECORDS = source.ROOT / "examples" / "apps" / "records"
TEMPLATE = "records_template"
MIX = (keep_alive(weight=70), new_connection(weight=10), post("/notes", weight=20, size=64))
RATE = 60.0
JUDGED = BlueGreen(
    watch=3,
    every=0.2,
    keep_warm=0,
    preview_header=None,
    analysis=[ErrorRate(max_percent=5, min_requests=10)],
)
Tell: TypeAlias = Callable[[str, object], None]


@pytest.fixture(scope="session")
async def template(postgres_server: PostgresServer, postgres_binaries: Binaries) -> str:
    """Make a registry with a million samples once; each test gets a copy."""
    postgres_server.sql(f"CREATE DATABASE {TEMPLATE}")
    address = DatabaseAddress(postgres_server.dsn(TEMPLATE), programs=postgres_binaries.folder)
    await alembic(address, cwd=RECORDS).upgrade(address.dsn, "0002")
    postgres_server.sql(
        "INSERT INTO samples (name, legacy, site) SELECT 'sample ' || n, md5(n::text), n % 97"  # noqa: S608 -- a number
        f" FROM generate_series(1, {ROWS}) n",
        TEMPLATE,
    )
    return TEMPLATE


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The database's driver knows asyncio only; for the whole session, as the template is made once."""
    return "asyncio"


@dataclass(frozen=True, slots=True)
class Ground:
    """A registry that is deployed.

    Args:
        on: Where.
        address: Of its database.
        folder: For backups.
    """

    on: Stage
    _: KW_ONLY
    address: DatabaseAddress
    folder: Path

    @property
    def database(self) -> PostgresDatabase:
        """The database as steps act on it."""
        return PostgresDatabase(self.address, alembic(self.address, cwd=RECORDS), folder=self.folder)

    async def held(self) -> Fingerprint:
        """Return what the database holds."""
        async with connected(self.address, read_only=True) as connection:
            return await fingerprint(self.address, connection)

    async def notes(self, name: str) -> int:
        """Return how many notes a database holds."""
        async with connected(self.address.named(name), read_only=True) as connection:
            return int(await connection.fetchval("SELECT count(*) FROM public.notes"))

    def release(self, version: str, *options: str) -> Release:
        """Return a release of the registry."""
        command = [sys.executable, str(RECORDS / "service.py"), "--uds", "{uds}", "--revision", "{revision}"]
        return Release(
            version,
            command=[*command, *options],
            env={"DATABASE_URL": self.address.dsn, "PGAPPNAME": "{revision}"},
            probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)),
        )

    async def deploy(
        self, to: str, change: MigrationClass, *options: str, read_only: bool = False
    ) -> RolloutResult:
        """Deploy a release that needs a version of the schema."""
        deployer = Deployer(self.on.backend, databases={"records": self.database}, validate=False)
        how = Migrated(JUDGED, database="records", to=to, change=change, read_only=read_only)
        plan = await deployer.plan(self.on.target, self.release("v2", *options), how)
        async with deployer.run(plan) as rollout:
            return await rollout.result()

    def visited(self) -> AbstractAsyncContextManager[LoadProcess]:
        """Let visitors in who read and write, and send nothing twice."""
        return under_load(self.on.url, rate=RATE, requests=100_000, mix=MIX)


@pytest.fixture
async def ground(
    template: str, postgres_server: PostgresServer, postgres_binaries: Binaries, tmp_path: Path
) -> AsyncIterator[Ground]:
    """Deploy the registry on a copy of the template."""
    name = f"records_{secrets.token_hex(4)}"
    postgres_server.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    address = DatabaseAddress(postgres_server.dsn(name), programs=postgres_binaries.folder)
    async with stage(tmp_path / "deployments", replicas=1) as on:
        made = Ground(on, address=address, folder=tmp_path / "backups")
        plain = replace(JUDGED, watch=0, analysis=())
        await on.deployer.deploy(on.target, made.release("v1"), plain)
        yield made
    for each in postgres_server.sql("SELECT datname FROM pg_database").split():
        if each.startswith(name):
            postgres_server.sql(f'DROP DATABASE "{each}" WITH (FORCE)')


def confirmed(load: LoadProcess) -> int:
    """Return how many notes were confirmed to visitors; nothing may have been lost on the way."""
    report = load.report()
    assert report.lost == 0, lost(report)
    return report.kinds["post"].ok


def same(now: Fingerprint, before: Fingerprint) -> bool:
    """Whether the schema is the same, and all million rows, by their hashes."""
    return (now.schema, now.tables["public.samples"]) == (before.schema, before.tables["public.samples"])


async def test_a_migration_that_fails_leaves_nothing(ground: Ground, record_property: Tell) -> None:
    """It undoes itself: the same schema, the same million rows, and every note that was confirmed."""
    before = await ground.held()
    async with ground.visited() as load:
        result = await ground.deploy("0003_fails", "additive")
    seen, after = await ground.database.observe(), await ground.held()

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert "division by zero" in result.reason
    assert (seen.version, seen.frozen) == ("0002", False)
    assert same(after, before)
    assert await ground.notes(ground.address.name) >= confirmed(load) > 0
    record_property("proof", f"a migration that fails as a whole: {load.report().requests} requests, 0 lost")


async def test_what_is_reversible_goes_back_with_its_release(ground: Ground, record_property: Tell) -> None:
    """A bad release: its schema goes back by the migrations, tried on a copy first, and nothing is lost."""
    before = await ground.held()
    async with ground.visited() as load:
        result = await ground.deploy("0003_readers", "reversible", "--broken")
    seen, after = await ground.database.observe(), await ground.held()

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (seen.version, seen.frozen) == ("0002", False)
    assert same(after, before)
    assert await ground.notes(ground.address.name) >= confirmed(load) > 0
    record_property("proof", f"back by its migrations: {load.report().requests} requests, 0 lost")


async def test_where_nobody_may_write_a_backup_loses_nothing(ground: Ground, record_property: Tell) -> None:
    """A column is dropped and the release is bad: the backup takes its place at once, and writers were told to wait."""
    before = await ground.held()
    async with ground.visited() as load:
        result = await ground.deploy("0003_drop", "destructive", "--broken", read_only=True)
    seen, after = await ground.database.observe(), await ground.held()

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (seen.version, seen.frozen) == ("0002", False)
    assert same(after, before)
    assert await ground.notes(ground.address.name) >= confirmed(load)
    assert load.report().statuses[503] > 0
    record_property("proof", f"restored without a loss: {load.report().requests} requests, 0 lost")


async def test_half_a_migration_ends_with_a_loss_that_is_told_to_the_row(
    ground: Ground, tmp_path: Path, record_property: Tell
) -> None:
    """Frozen, and a person is asked; who agrees gets the backup, and every note that was confirmed is in what was kept."""
    before = await ground.held()
    async with ground.visited() as load:
        result = await ground.deploy("0003_half", "destructive")
        seen = await ground.database.observe()

        assert result.outcome is Outcome.NEEDS_ATTENTION
        assert (seen.version, seen.frozen) == ("0002", True)
        (manifest,) = ground.folder.glob("[!.]*.json")
        backup = read_backup(ground.folder, manifest.stem)
        digest = result.reason.partition("agreed to the loss ")[2][:64]
        began = time.monotonic()
        restored = await restore_backup(ground.address, ground.folder, backup, accept=digest)
        took = time.monotonic() - began
    (table,) = restored.report.tables
    exported = tmp_path / "lost"
    exported.mkdir(mode=0o700)
    (file,) = await export_lost(ground.address.named(restored.kept), ground.address, exported)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    there = await ground.notes(ground.address.name)

    assert same(await ground.held(), before)
    assert (table.table, table.lost) == ("public.notes", len(rows))
    assert f"public.notes: {table.lost} row" in result.reason
    assert there + len(rows) >= confirmed(load) > 0
    record_property(
        "proof",
        f"half a migration: {len(rows)} rows told and found again; restored beside and swapped in {took:.1f} s, "
        f"gap {restored.gap_ms:.0f} ms; {load.report().requests} requests, 0 lost",
    )

"""A real database in step with its application: migrated by Alembic, taken back, frozen, fenced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.backup import read_backup
from fairdeploy.database.fencing import marked
from fairdeploy.database.migrating import alembic
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.engine import Deployer
from fairdeploy.errors import ConsentRequired, DatabaseError, Fenced
from fairdeploy.model import CheckResult, Outcome, Progressed, Release, SecretRef, Target, Verdict
from fairdeploy.model._words import duration
from fairdeploy.protocols import Fence
from fairdeploy.rollback.database import restore_backup
from fairdeploy.strategies import BlueGreen, Migrated
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World

if TYPE_CHECKING:
    from fairdeploy.model import MigrationClass, RolloutResult
    from fairdeploy.protocols import HealthCheck, Subject
    from tests.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

SHOP = Path(__file__).parent / "shop"
TARGET = Target("shop", replicas=1, endpoint="127.0.0.1:8080")
ONE, TWO = (Release(version, command=["serve", "{port}"]) for version in "12")
PLAIN = BlueGreen(watch=0, keep_warm=0, preview_header=None, analysis=())
AT_0002 = """
DO $$ BEGIN
CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL, name text);
INSERT INTO alembic_version VALUES ('0002');
END $$
"""
"""What Alembic would have made: it takes a second to start."""
USERS = "INSERT INTO users (email) SELECT 'u' || n FROM generate_series(1, 100) n"


@pytest.fixture
async def database(shop: DatabaseAddress, folder: Path) -> PostgresDatabase:
    """Give a database at version 0002, with a hundred users."""
    await ask(shop, AT_0002)
    await ask(shop, USERS)
    return PostgresDatabase(shop, alembic(shop, cwd=SHOP), folder=folder, amcheck=False)


async def ask(shop: DatabaseAddress, query: str) -> object:
    """Return one value of a database."""
    connection = await asyncpg.connect(shop.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def standing(database: PostgresDatabase, asked: HealthCheck) -> Deployer:
    """Return a deployer of a target where the first release stands; the check is asked of the next."""
    backend = SimulatedBackend(World(default=Behaviour(start_seconds=0.01)))
    first = Deployer(backend, clock=backend.world.clock, validate=False)
    await first.deploy(TARGET, ONE, PLAIN)
    return Deployer(
        backend,
        checks={"asked": asked},
        databases={"shop": database},
        clock=backend.world.clock,
        validate=False,
    )


async def deployed(
    database: PostgresDatabase,
    change: MigrationClass,
    *,
    verdict: Verdict,
    writes: bool = False,
    **more: object,
) -> RolloutResult:
    """Deploy a release that needs version 0003, and let its check answer; visitors write before it does."""
    answers: list[Verdict] = []

    async def asked(_subject: Subject, /) -> CheckResult:
        answers.append(verdict)
        if writes and len(answers) == 1:
            await ask(database.address, "INSERT INTO users (email) VALUES ('late@example.org')")
        return CheckResult(verdict, "as told")

    deployer = await standing(database, asked)
    how = Migrated(PLAIN, database="shop", to="0003", change=change, **more)  # type: ignore[arg-type]  # as given
    plan = await deployer.plan(TARGET, TWO, how)
    async with deployer.run(plan) as rollout:
        return await rollout.result()


async def test_a_release_and_its_schema_go_on_together(database: PostgresDatabase) -> None:
    """The database is at the version that the release needs, and its backup was proved before."""
    result = await deployed(database, "reversible", verdict=Verdict.PASS)
    seen = await database.observe()

    assert result.promoted, result.reason
    assert (seen.version, seen.frozen) == ("0003", False)
    assert seen.restore_ms is not None


async def test_what_a_restore_would_take_is_in_the_plan(database: PostgresDatabase) -> None:
    """It is measured when a backup is proved: the next release's plan shows it, the first has nothing to show."""
    how = Migrated(PLAIN, database="shop", to="0003", change="reversible")

    async def asked(_subject: Subject, /) -> CheckResult:
        return CheckResult(Verdict.PASS, "as told")

    deployer = await standing(database, asked)
    first = await deployer.plan(TARGET, TWO, how)
    assert "to restore)" not in str(first)
    proof = await database.backup(TARGET.id, Fence(epoch=1, key="before:backup"))
    second = await deployer.plan(TARGET, TWO, how)
    assert f"(the last one took {duration(proof.restore_ms)} to restore)" in str(second)


async def test_a_database_that_is_newer_than_the_code_is_refused_before_anything_moves(
    database: PostgresDatabase,
) -> None:
    """Alembic does not know its version: the plan says so or the rollout ends, and both are as they were."""
    await ask(database.address, "UPDATE alembic_version SET version_num = '0009'")
    before = await database.observe()
    result = await deployed(database, "additive", verdict=Verdict.PASS)
    seen = await database.observe()

    assert result.outcome is Outcome.ROLLED_BACK
    assert "'0009'" in result.reason
    assert (seen.version, seen.schema, seen.frozen) == ("0009", before.schema, False)


async def test_a_release_that_goes_back_takes_its_schema_with_it(database: PostgresDatabase) -> None:
    """Nothing was written to what it had added: the schema is what it was, to the letter."""
    before = await database.observe()
    result = await deployed(database, "reversible", verdict=Verdict.FAIL, writes=True)
    seen = await database.observe()

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (seen.version, seen.schema, seen.frozen) == (before.version, before.schema, False)
    assert await ask(database.address, "SELECT count(*) FROM users") == 101


async def test_a_schema_is_not_taken_away_from_who_still_uses_it(database: PostgresDatabase) -> None:
    """The way back waits, and says so, while a connection of the release is there that needs the new schema."""
    lingering: list[asyncpg.Connection] = []

    async def asked(_subject: Subject, /) -> CheckResult:
        name = {"application_name": f"shop {TWO.revision}"}
        lingering.append(await asyncpg.connect(database.address.dsn, server_settings=name))
        return CheckResult(Verdict.FAIL, "as told")

    deployer = await standing(database, asked)
    how = Migrated(PLAIN, database="shop", to="0003", change="reversible")
    said = f"waits for 1 connection of {TWO.revision} to go"
    async with deployer.run(await deployer.plan(TARGET, TWO, how)) as rollout:
        async for event in rollout.events():
            if isinstance(event.record, Progressed) and event.record.message == said:
                break
        assert (await database.observe()).version == "0003"
        await lingering.pop().close()
        result = await rollout.result()

        assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (await database.observe()).version == "0002"


async def test_rows_that_nobody_agreed_to_lose_stay(database: PostgresDatabase) -> None:
    """The database is frozen, the report is true, and consent to it restores later."""
    result = await deployed(database, "destructive", verdict=Verdict.FAIL, writes=True)
    seen = await database.observe()

    assert result.outcome is Outcome.NEEDS_ATTENTION
    assert (seen.version, seen.frozen) == ("0003", True)
    assert await ask(database.address, "SELECT count(*) FROM users") == 101
    assert "public.users: 1 row lost" in result.reason
    digest = result.reason.partition("agreed to the loss ")[2][:64]
    (manifest,) = database.folder.glob("[!.]*.json")
    backup = read_backup(database.folder, manifest.stem)
    with pytest.raises(ConsentRequired, match="stays frozen"):
        await restore_backup(database.address, database.folder, backup, thaw_if_refused=False)
    restored = await restore_backup(database.address, database.folder, backup, accept=digest)

    assert restored.report.digest == digest
    assert await ask(database.address, "SELECT count(*) FROM users") == 100
    assert (await database.observe()).version == "0002"


async def test_consent_given_beforehand_restores(database: PostgresDatabase) -> None:
    """The rows that were written since are gone from the database in use, and kept in the one before."""
    before = await database.observe()
    result = await deployed(database, "destructive", verdict=Verdict.FAIL, writes=True, on_loss="restore")
    seen = await database.observe()

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (seen.version, seen.schema, seen.frozen) == ("0002", before.schema, False)
    assert await ask(database.address, "SELECT count(*) FROM users") == 100
    with pytest.raises(Fenced):
        await database.claim(TARGET.id, Fence(epoch=0, key="late"))


async def test_where_nobody_may_write_nothing_is_lost(database: PostgresDatabase) -> None:
    """It is migrated while it is frozen, restored, and can be written again."""
    before = await database.observe()
    result = await deployed(database, "destructive", verdict=Verdict.FAIL, read_only=True)
    seen = await database.observe()

    assert result.outcome is Outcome.ROLLED_BACK, result.reason
    assert (seen.version, seen.schema, seen.frozen) == ("0002", before.schema, False)


async def test_who_is_late_is_refused_by_the_database(database: PostgresDatabase) -> None:
    """An older epoch changes nothing, and what it had under way there is ended."""
    old, new = Fence(epoch=1, key="r:migrate"), Fence(epoch=2, key="r:claim")
    await database.claim(TARGET.id, old)
    tool = await asyncpg.connect(marked(database.address.dsn, TARGET.id, old))
    await tool.execute("BEGIN; ALTER TABLE users ADD COLUMN half text")
    await database.claim(TARGET.id, new)

    assert tool.is_closed() or not await _answers(tool)
    for deed in (
        database.migrate(TARGET.id, "0003", old),
        database.freeze(TARGET.id, old, frozen=True),
        database.restore(TARGET.id, "r:backup", old),
        database.backup(TARGET.id, old),
    ):
        with pytest.raises(Fenced, match="epoch 2"):
            await deed
    seen = await database.observe()
    assert (seen.version, seen.frozen) == ("0002", False)


async def _answers(connection: asyncpg.Connection) -> bool:
    try:
        await connection.fetchval("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False
    return True


async def test_a_wrong_password_is_told_before_anything_moves(
    postgres_server: PostgresServer,
    database: PostgresDatabase,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The plan cannot be made, and the password is in no message."""
    monkeypatch.setenv("SHOP_PASSWORD", "no-such-word")
    name = database.address.name
    dsn = f"postgresql://postgres@127.0.0.1:{postgres_server.port}/{name}"
    there = DatabaseAddress(dsn, password=SecretRef.env("SHOP_PASSWORD"), programs=database.address.programs)
    wrong = PostgresDatabase(there, alembic(there, cwd=SHOP), folder=folder)
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        await deployed(wrong, "additive", verdict=Verdict.PASS)

    assert "no-such-word" not in str(caught.value)

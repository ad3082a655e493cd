"""Taking a database back by Alembic: rehearsed on a copy, agreed to if it loses something, undone if it breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.backup import read_backup
from fairdeploy.database.migrating import CommandMigrator, alembic
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.database.swapping import frozen
from fairdeploy.engine import Deployer
from fairdeploy.errors import ConsentRequired, DatabaseError, InvalidInput, RollbackError
from fairdeploy.model import TableLoss, Target
from fairdeploy.rollback import DatabaseRollback, RollbackManager
from fairdeploy.testing.simulation import SimulatedBackend, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.database.refusing import Smoke
    from fairdeploy.model import OnLoss
    from fairdeploy.protocols import Migrator
    from tests.postgres import Binaries, PostgresServer

pytestmark = pytest.mark.anyio

SHOP = Path(__file__).parent / "shop"
VERSION = "SELECT version_num FROM alembic_version"
TARGET = Target("shop", replicas=1)


def manager_of(
    shop: DatabaseAddress, tool: Migrator, folder: Path, smoke: Smoke | None = None, *, amcheck: bool = False
) -> RollbackManager:
    """Return a manager of the shop's database, whose application stays as it is."""
    backend = SimulatedBackend(World())
    database = PostgresDatabase(shop, tool, folder=folder, smoke=smoke, amcheck=amcheck)
    deployer = Deployer(backend, databases={"shop": database}, clock=backend.world.clock, validate=False)
    return RollbackManager(deployer)


async def database_rollback(
    shop: DatabaseAddress,
    tool: Migrator,
    version: str,
    *,
    folder: Path,
    accept: str = "",
    on_failure: OnLoss = "freeze",
    smoke: Smoke | None = None,
    amcheck: bool = False,
) -> DatabaseRollback:
    """Take the shop's database back."""
    manager = manager_of(shop, tool, folder, smoke, amcheck=amcheck)
    return await manager.database_rollback(version, target=TARGET, accept=accept, on_failure=on_failure)


@pytest.fixture
def tool(shop: DatabaseAddress) -> CommandMigrator:
    """Give Alembic."""
    return alembic(shop, cwd=SHOP)


@pytest.fixture(scope="module")
def newest(postgres_server: PostgresServer, postgres_binaries: Binaries) -> str:
    """Give the name of a shop at the newest version, for copies."""
    name = "shop_newest"
    postgres_server.sql(f"CREATE DATABASE {name}")
    there = DatabaseAddress(postgres_server.dsn(name), programs=postgres_binaries.folder)
    anyio.run(alembic(there, cwd=SHOP).upgrade, there.dsn, "0003")
    return name


@pytest.fixture
async def deployed(
    shop: DatabaseAddress, newest: str, postgres_server: PostgresServer
) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection to a shop at the newest version, with users."""
    postgres_server.sql(f"DROP DATABASE {shop.name}")
    postgres_server.sql(f"CREATE DATABASE {shop.name} TEMPLATE {newest}")
    connection = await asyncpg.connect(shop.dsn)
    await connection.execute("INSERT INTO users (email) SELECT 'u' || n FROM generate_series(1, 100) n")
    yield connection
    connection.terminate()


async def breaking(connection: asyncpg.Connection, where: str) -> None:
    """Let the way back break on this database: `before` its first half is committed, or `after` it."""
    await connection.execute(
        "UPDATE users SET email = 'break ' || current_database() || $1 WHERE id = 1", f" {where}"
    )


async def ask(shop: DatabaseAddress, query: str) -> object:
    """Return one value of a database."""
    connection = await asyncpg.connect(shop.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        connection.terminate()


def beside(server: PostgresServer, shop: DatabaseAddress) -> list[str]:
    """Return the databases beside the shop's."""
    names = server.sql("SELECT datname FROM pg_database").split()
    return [name for name in names if name.startswith(shop.name + "_")]


async def test_a_way_back_that_loses_nothing_needs_no_consent(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """Empty tables and columns go, the rows stay, the backup was proved, and no copy is left."""
    done = await database_rollback(shop, tool, "0001", folder=folder, amcheck=True)
    assert (done.before, done.version) == ("0003", "0001")
    (manifest,) = [path async for path in anyio.Path(folder).glob("*.json")]
    assert read_backup(folder, manifest.stem).proof == "restored"
    assert await ask(shop, "SELECT count(*) FROM users") == 100
    assert await ask(shop, VERSION) == "0001"
    assert beside(postgres_server, shop) == []


async def test_what_would_be_lost_is_told_before_anything_has_changed(
    shop: DatabaseAddress, tool: CommandMigrator, deployed: asyncpg.Connection, folder: Path
) -> None:
    """A column with values, a table with rows; who agrees, agrees to that and to no more."""
    await deployed.execute(
        "UPDATE users SET name = 'x' WHERE id <= 5; INSERT INTO orders (who) VALUES (1), (2)"
    )
    with pytest.raises(ConsentRequired) as caught:
        await database_rollback(shop, tool, "0001", folder=folder)
    report = caught.value.report
    assert report.gone == (TableLoss("public.orders", lost=2), TableLoss("public.users.name", lost=5))
    assert await ask(shop, VERSION) == "0003"
    await deployed.execute("INSERT INTO orders (who) VALUES (3)")
    with pytest.raises(ConsentRequired, match="is of another loss"):
        await database_rollback(shop, tool, "0001", folder=folder, accept=report.digest)
    await deployed.execute("DELETE FROM orders WHERE who = 3")
    done = await database_rollback(shop, tool, "0001", folder=folder, accept=report.digest)
    assert done.version == "0001"


def ordering(shop: DatabaseAddress) -> Smoke:
    """Let orders come in once, while the way back is tried on a copy."""

    async def order(_: DatabaseAddress) -> None:
        if not await ask(shop, "SELECT count(*) FROM orders"):
            await ask(shop, "INSERT INTO orders (who) VALUES (1), (2)")

    return order


async def test_what_is_written_after_the_backup_is_told_too(
    shop: DatabaseAddress, tool: CommandMigrator, deployed: asyncpg.Connection, folder: Path
) -> None:
    """Orders that came while the way back was tried on the copy: nothing has changed, and they are in the report."""
    with pytest.raises(ConsentRequired) as caught:
        await database_rollback(shop, tool, "0001", folder=folder, smoke=ordering(shop))
    report = caught.value.report
    assert report.gone == (TableLoss("public.orders", lost=2),)
    assert await ask(shop, VERSION) == "0003"
    assert not await frozen(shop)


async def test_half_a_way_back_is_undone_with_what_was_written_after_the_backup(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """The half has dropped the orders that the first backup did not know: they are in the later one, and come back."""
    await breaking(deployed, "after")
    with pytest.raises(RollbackError, match="is in its place after a gap of"):
        await database_rollback(shop, tool, "0001", folder=folder, smoke=ordering(shop), accept="any")
    assert (await ask(shop, VERSION), await frozen(shop)) == ("0003", False)
    assert await ask(shop, "SELECT count(*) FROM orders") == 2
    await forget_kept(postgres_server, shop)


async def test_where_it_is_already_nothing_is_done(
    shop: DatabaseAddress, tool: CommandMigrator, deployed: asyncpg.Connection, folder: Path
) -> None:
    """Not even a backup."""
    done = await database_rollback(shop, tool, "0003", folder=folder)
    assert done.result is None
    assert not await anyio.Path(folder).exists()


async def test_a_way_back_that_breaks_on_the_copy_never_meets_the_database(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """An unknown version is found there too."""
    with pytest.raises(RollbackError, match="the database is as it was"):
        await database_rollback(shop, tool, "9999", folder=folder)
    assert await ask(shop, VERSION) == "0003"
    assert beside(postgres_server, shop) == []


async def test_one_that_breaks_and_is_undone_by_its_transaction_restores_nothing(
    shop: DatabaseAddress, tool: CommandMigrator, deployed: asyncpg.Connection, folder: Path
) -> None:
    """The database tells by its schema that it is as it was."""
    await breaking(deployed, "before")
    with pytest.raises(RollbackError, match="the database is as it was"):
        await database_rollback(shop, tool, "0001", folder=folder, accept="")
    assert await ask(shop, VERSION) == "0003"
    assert not await frozen(shop)


async def test_one_that_breaks_half_way_is_put_back_by_the_backup(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """Nobody wrote meanwhile, so nothing is lost and nobody is asked; the half is kept to be looked at."""
    await breaking(deployed, "after")
    with pytest.raises(RollbackError, match=r"is in its place after a gap of .* what was there is kept as"):
        await database_rollback(shop, tool, "0001", folder=folder)
    assert await ask(shop, VERSION) == "0003"
    assert await ask(shop, "SELECT count(*) FROM orders") == 0
    assert await ask(shop, "SELECT count(*) FROM users") == 100
    assert not await frozen(shop)
    assert len(beside(postgres_server, shop)) == 1
    await forget_kept(postgres_server, shop)


async def forget_kept(server: PostgresServer, shop: DatabaseAddress) -> None:
    """Drop what was kept."""
    for name in beside(server, shop):
        server.sql(f"DROP DATABASE {name} WITH (FORCE)")


class Meanwhile:
    """A migrator in whose first half somebody else wants to write into the database in use.

    Args:
        tool: What migrates.
        shop: The database in use.
        statement: What they say.
    """

    def __init__(self, tool: CommandMigrator, shop: DatabaseAddress, statement: str) -> None:
        self._tool = tool
        self._shop = shop
        self._statement = statement
        self.refused: list[str] = []
        self.own_tables = tool.own_tables
        self.current = tool.current
        self.upgrade = tool.upgrade

    async def downgrade(self, dsn: str, version: str) -> None:
        """Want to write one row, then go back."""
        if DatabaseAddress(dsn).name == self._shop.name:
            connection = await asyncpg.connect(self._shop.dsn)
            try:
                await connection.execute(self._statement)
            except asyncpg.ReadOnlySQLTransactionError as error:
                self.refused.append(str(error))
            finally:
                connection.terminate()
        await self._tool.downgrade(dsn, version)


APPLICATION = "INSERT INTO users (email) VALUES ('meanwhile')"
INSISTS = f"BEGIN READ WRITE; {APPLICATION}; COMMIT"
"""What an administrator may say, and no application does: it writes in spite of the freeze."""


async def test_who_wants_to_write_amid_a_way_back_is_told_no(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """So that half a way back can be undone without losing anything; then they may write again."""
    await breaking(deployed, "after")
    meanwhile = Meanwhile(tool, shop, APPLICATION)
    with pytest.raises(RollbackError, match="is in its place after a gap of"):
        await database_rollback(shop, meanwhile, "0001", folder=folder)
    assert meanwhile.refused == ["cannot execute INSERT in a read-only transaction"]
    assert (await ask(shop, VERSION), await ask(shop, "SELECT count(*) FROM users")) == ("0003", 100)
    await ask(shop, APPLICATION)
    await forget_kept(postgres_server, shop)


async def test_half_way_with_rows_to_lose_it_freezes_and_asks(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """A row that was insisted on is counted; agreeing goes back, and the row can still be found."""
    await breaking(deployed, "after")
    manager = manager_of(shop, Meanwhile(tool, shop, INSISTS), folder)
    with pytest.raises(RollbackError, match="it is frozen") as caught:
        await manager.database_rollback("0001", target=TARGET)
    assert "public.users: 1 row lost" in str(caught.value)
    assert await frozen(shop)
    ((info,),) = [await journal.rollouts() for journal in manager._desk.journals()]
    with pytest.raises(ConsentRequired) as refused:
        await manager.restore_backup(info.id)
    assert refused.value.report.digest in str(caught.value)
    assert await frozen(shop)
    await manager.restore_backup(info.id, accept=refused.value.report.digest)
    (kept,) = [name for name in beside(postgres_server, shop) if "_kept_" in name]
    assert await ask(shop, "SELECT count(*) FROM users") == 100
    assert await ask(shop.named(kept), "SELECT count(*) FROM users") == 101
    assert not await frozen(shop)
    await forget_kept(postgres_server, shop)


async def test_consent_given_beforehand_restores_and_tells_what_it_took(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """Unattended, as it was said that it may."""
    await breaking(deployed, "after")
    with pytest.raises(RollbackError, match="1 row lost"):
        await database_rollback(
            shop, Meanwhile(tool, shop, INSISTS), "0001", folder=folder, on_failure="restore"
        )
    assert await ask(shop, VERSION) == "0003"
    assert not await frozen(shop)
    await forget_kept(postgres_server, shop)


async def test_a_question_of_ones_own_decides_too(
    shop: DatabaseAddress, tool: CommandMigrator, deployed: asyncpg.Connection, folder: Path
) -> None:
    """It is asked of the copy first, so that a no changes nothing."""
    asked = []

    async def smoke(there: DatabaseAddress) -> None:
        asked.append(there.name)
        if await ask(there, "SELECT to_regclass('users') IS NULL"):
            msg = "no users"
            raise DatabaseError(msg)

    await database_rollback(shop, tool, "0002", folder=folder, smoke=smoke, amcheck=False)
    assert asked[0] != asked[-1] == shop.name

    async def never(_: DatabaseAddress) -> None:
        msg = "expected"
        raise DatabaseError(msg)

    with pytest.raises(RollbackError, match="expected"):
        await database_rollback(shop, tool, "0001", folder=folder, smoke=never, amcheck=False)
    assert await ask(shop, VERSION) == "0002"


async def test_a_lock_that_somebody_holds_is_waited_for_shortly_and_again(
    shop: DatabaseAddress,
    tool: CommandMigrator,
    deployed: asyncpg.Connection,
    postgres_server: PostgresServer,
) -> None:
    """Whoever holds it goes on undisturbed; once it is gone, the migration gets there."""
    other = await asyncpg.connect(shop.dsn)
    holding = other.transaction()
    await holding.start()
    await other.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
    quick = CommandMigrator(
        shop,
        current_command=list(tool.current_command),
        upgrade_command=list(tool.upgrade_command),
        downgrade_command=list(tool.downgrade_command),
        cwd=tool.cwd,
        pattern=tool.pattern,
        scheme=tool.scheme,
        lock_timeout_ms=50,
    )
    log = anyio.Path(postgres_server.folder) / "log"
    before = len(await log.read_bytes())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(quick.downgrade, shop.dsn, "0002")
        # The wait itself is too short to be seen for certain; the server says when one is over.
        while b"due to lock timeout" not in (await log.read_bytes())[before:]:  # noqa: ASYNC110 -- a file has no event
            await anyio.sleep(0.01)
        await holding.rollback()
    assert await ask(shop, VERSION) == "0002"
    other.terminate()


def test_a_command_without_a_version_is_refused(shop: DatabaseAddress) -> None:
    """It could only go anywhere."""
    with pytest.raises(InvalidInput, match=r"downgrade_command .* with \{version\}"):
        CommandMigrator(
            shop, current_command=["a"], upgrade_command=["a", "{version}"], downgrade_command=["a", "down"]
        )

"""Going back to a backup: what would be lost is told to the row, what was in use is kept."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from fairdeploy.database.comparing import export_lost, loss
from fairdeploy.database.restoring import beside, drop, restore_beside
from fairdeploy.database.swapping import freeze, frozen, swap, thaw
from fairdeploy.database.taking import take_backup
from fairdeploy.errors import DatabaseError
from fairdeploy.model import TableLoss

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.backup import Backup
    from tests.postgres import PostgresServer

pytestmark = pytest.mark.anyio

DEPLOY = """
ALTER TABLE users ADD COLUMN name text;
UPDATE users SET name = 'x' WHERE id <= 5;
INSERT INTO users (email) SELECT 'new' || n FROM generate_series(1, 42) n;
DELETE FROM orders WHERE id = 7;
CREATE TABLE invoices (id bigserial PRIMARY KEY, who bigint REFERENCES users);
INSERT INTO invoices (who) SELECT n FROM generate_series(1, 17) n;
"""


@asynccontextmanager
async def connection_to(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection."""
    connection = await asyncpg.connect(address.dsn)
    try:
        yield connection
    finally:
        connection.terminate()


@pytest.fixture
async def backup(shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path) -> Backup:
    """Take a backup of the filled shop."""
    return await take_backup(shop, folder)


@pytest.fixture
async def restored(shop: DatabaseAddress, backup: Backup, folder: Path) -> AsyncIterator[DatabaseAddress]:
    """Give the backup, restored beside the database in use."""
    name = beside(shop, "restored")
    await restore_beside(shop, folder, backup, name)
    yield shop.named(name)
    await drop(shop, name)


async def test_nothing_is_lost_where_nothing_was_written(
    shop: DatabaseAddress, backup: Backup, restored: DatabaseAddress
) -> None:
    """And the report says so."""
    report = await loss(shop, restored, f"backup {backup.id!r}")
    assert report.nothing
    assert "would lose nothing" in str(report)


async def test_the_report_is_exact_to_the_row(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, restored: DatabaseAddress
) -> None:
    """A row that was changed is one written and one that comes back; a new table is lost whole."""
    await filled.execute(
        "UPDATE users SET email = 'changed' WHERE id = 3; DELETE FROM orders WHERE id = 7;"
        "INSERT INTO users (email) SELECT 'new' || n FROM generate_series(1, 42) n;"
        "CREATE TABLE invoices AS SELECT n FROM generate_series(1, 17) n;"
    )
    report = await loss(shop, restored, f"backup {backup.id!r}")
    assert report.tables == (
        TableLoss("public.orders_old", lost=0, back=1),
        TableLoss("public.users", lost=43, back=1),
    )
    assert report.gone == (TableLoss("public.invoices", lost=17),)
    assert report.sequences == ("public.users_id_seq",)
    assert "public.users: 43 rows lost, 1 row comes back" in str(report)


async def test_a_row_is_not_lost_by_what_a_migration_did_to_its_columns(
    shop: DatabaseAddress, filled: asyncpg.Connection, restored: DatabaseAddress
) -> None:
    """A column that was dropped comes back, an empty one that was added is nothing; values and large objects count."""
    await filled.execute(
        "ALTER TABLE users DROP COLUMN joined; ALTER TABLE users ADD COLUMN name text, ADD COLUMN empty text;"
        "UPDATE users SET name = 'n' WHERE id <= 5; INSERT INTO users (email) VALUES ('new');"
        "SELECT lo_from_bytea(0, 'another scan')"
    )
    report = await loss(shop, restored, "backup 'b1'")
    assert report.tables == (TableLoss("public.users", lost=1), TableLoss("large objects", lost=1))
    assert report.gone == (TableLoss("public.users.name", lost=5),)


async def test_consent_to_one_loss_is_none_to_another(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, restored: DatabaseAddress
) -> None:
    """One row more is another digest; the same loss is the same."""
    await filled.execute("INSERT INTO users (email) VALUES ('a')")
    first, again = (
        await loss(shop, restored, f"backup {backup.id!r}"),
        await loss(shop, restored, f"backup {backup.id!r}"),
    )
    await filled.execute("INSERT INTO users (email) VALUES ('b')")
    second = await loss(shop, restored, f"backup {backup.id!r}")
    assert first.digest == again.digest != second.digest


async def test_a_swap_goes_back_and_keeps_what_was_there(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, folder: Path, tmp_path: Path
) -> None:
    """The old rows serve, the new ones can be read and taken out of what was kept."""
    await filled.execute(DEPLOY)
    name, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, backup, name)
    report = await loss(shop, shop.named(name), f"backup {backup.id!r}")
    gap = await swap(shop, name, kept)
    assert gap > 0
    async with connection_to(shop) as now, connection_to(shop.named(kept)) as old:
        assert await now.fetchval("SELECT count(*) FROM users") == 2000
        assert await now.fetchval("SELECT to_regclass('invoices')") is None
        assert await old.fetchval("SELECT count(*) FROM invoices") == 17
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await old.execute("DELETE FROM users")
    lost = tmp_path / "lost"
    lost.mkdir(mode=0o700)
    files = {path.name: path for path in await export_lost(shop.named(kept), shop, lost)}
    lines = [json.loads(line) for line in files["public.invoices.jsonl"].read_text().splitlines()]
    assert len(lines) == 17
    assert len(files["public.users.jsonl"].read_text().splitlines()) == next(
        each.lost for each in report.tables if each.table == "public.users"
    )
    assert await swap(shop, name, kept) == 0.0, "done is done"
    await drop(shop, kept)


def facts(server: PostgresServer, name: str) -> list[str]:
    """Return what belongs to a database and is in no dump of it."""
    return [
        server.sql(
            "SELECT pg_get_userbyid(datdba), datconnlimit, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),"  # noqa: S608 -- a name of ours
            f" shobj_description(oid, 'pg_database'), datcollate FROM pg_database WHERE datname = '{name}'"
        ),
        server.sql(
            "SELECT setrole::regrole, unnest(setconfig) AS s FROM pg_db_role_setting"  # noqa: S608 -- a name of ours
            f" WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = '{name}') ORDER BY 2"
        ),
    ]


async def test_rights_settings_and_owner_go_along(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """What is in no dump of a database, but belongs to it."""
    name = shop.name
    await filled.execute(
        f"CREATE ROLE {name}_app; CREATE ROLE {name}_owner; ALTER DATABASE {name} OWNER TO {name}_owner;"
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {name}_app WITH GRANT OPTION;"
        f'ALTER DATABASE {name} SET search_path TO "$user", public, "Odd ""schema"" too";'
        f"ALTER DATABASE {name} SET work_mem TO '7MB'; ALTER ROLE {name}_app IN DATABASE {name} SET app.theme TO 'it''s';"
        f"COMMENT ON DATABASE {name} IS 'the \\ shop''s'; ALTER DATABASE {name} CONNECTION LIMIT 33"
    )

    before = facts(postgres_server, name)
    taken = await take_backup(shop, folder)
    new, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, taken, new)
    await swap(shop, new, kept)
    assert facts(postgres_server, name) == before
    assert before[1].count("\n") == 3
    await drop(shop, kept)
    postgres_server.sql(
        f"ALTER DATABASE {name} OWNER TO postgres; DROP OWNED BY {name}_app; DROP ROLE {name}_app, {name}_owner"
    )


_WITHIN = {
    "extensions": "SELECT extname, extversion, extnamespace::regnamespace FROM pg_extension ORDER BY 1",
    "sequences": "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
    "large objects": "SELECT oid, lomowner::regrole, lomacl, encode(lo_get(oid), 'hex') FROM pg_largeobject_metadata ORDER BY 1",
    "owners and rights": "SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "rights by default": "SELECT defaclrole::regrole, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1, 2",
}


async def test_what_is_within_the_database_comes_back_with_it(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """Extensions, sequences, large objects, owners and rights are in the swapped one what they were in the one before."""
    name, role = shop.name, f"{shop.name}_app"
    await filled.execute(
        f"CREATE ROLE {role}; CREATE EXTENSION citext; GRANT SELECT, INSERT ON users TO {role} WITH GRANT OPTION;"  # noqa: S608 -- a name of ours
        f"ALTER TABLE orders OWNER TO {role}; SELECT setval('users_id_seq', 7000);"
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role};"
        f"DO $$ BEGIN EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO {role}', (SELECT min(oid) FROM pg_largeobject_metadata)); END $$"
    )
    before = {what: postgres_server.sql(query, name) for what, query in _WITHIN.items()}
    assert all(before.values())
    taken = await take_backup(shop, folder)
    new, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, taken, new)
    await swap(shop, new, kept)

    assert {what: postgres_server.sql(query, name) for what, query in _WITHIN.items()} == before
    await drop(shop, kept)
    postgres_server.sql(f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}", name)
    postgres_server.sql(f"DROP ROLE {role}")


async def test_busy_clients_lose_one_connection_each_and_go_on(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, folder: Path
) -> None:
    """Nobody writes into the one that is kept after the swap; everybody finds the other by the same name."""
    name, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, backup, name)
    broken, served = [0] * 4, [0] * 4
    swapped = anyio.Event()

    async def client(number: int) -> None:
        while not swapped.is_set() or not served[number]:
            try:
                async with connection_to(shop) as connection:
                    while not swapped.is_set() or not served[number]:
                        await connection.execute("UPDATE users SET joined = now() WHERE id = $1", 1 + number)
                        served[number] += swapped.is_set()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                broken[number] += 1
                await anyio.sleep(0.001)

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(client, number)
        await anyio.sleep(0.05)
        await swap(shop, name, kept)
        swapped.set()
    assert all(served), "every client came back by itself"
    await drop(shop, kept)


async def test_a_session_that_does_not_go_ends_the_swap_and_not_the_service(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, folder: Path
) -> None:
    """After some seconds the error says what held it, everybody may connect as before, and a later call gets there."""
    name, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, backup, name)
    stays = await filled.fetchval("SELECT pg_backend_pid()")
    os.kill(stays, signal.SIGSTOP)
    try:
        with pytest.raises(DatabaseError, match=r"being accessed by other users|statement timeout"):
            await swap(shop, name, kept)
        async with connection_to(shop) as now:
            assert await now.fetchval("SELECT count(*) FROM orders") == 5000
            await now.execute("DELETE FROM orders")
    finally:
        os.kill(stays, signal.SIGCONT)
    await swap(shop, name, kept)
    async with connection_to(shop) as now:
        assert await now.fetchval("SELECT count(*) FROM orders") == 5000
    await drop(shop, kept)


async def test_what_would_follow_the_old_database_is_named_before_anything_happens(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, restored: DatabaseAddress
) -> None:
    """Sessions go on, as nothing was done."""
    with pytest.raises(DatabaseError, match="a swap needs"):
        await swap(shop, "nobody_made_it", beside(shop, "kept"))
    assert await filled.fetchval("SELECT 1") == 1


async def test_a_frozen_database_is_read_and_not_written(
    shop: DatabaseAddress, filled: asyncpg.Connection
) -> None:
    """Sessions that could still write are ended, and thawing gives everything back."""
    await freeze(shop)
    assert await frozen(shop)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await filled.execute("DELETE FROM orders")
    async with connection_to(shop) as reader:
        assert await reader.fetchval("SELECT count(*) FROM users") == 2000
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("DELETE FROM orders")
    await thaw(shop)
    assert not await frozen(shop)
    async with connection_to(shop) as writer:
        await writer.execute("DELETE FROM orders")


async def test_a_frozen_database_is_replaced_by_one_that_can_be_written(
    shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, folder: Path
) -> None:
    """The freeze is of the old one, and stays with it."""
    await freeze(shop)
    name, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, backup, name)
    await swap(shop, name, kept)
    async with connection_to(shop) as writer:
        await writer.execute("DELETE FROM orders")
    await drop(shop, kept)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
import asyncpg
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.swapping import swap

real = asyncpg.Connection.execute
async def execute(self, query, *args, **more):
    answer = await real(self, query, *args, **more)
    if sys.argv[4] in query:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
asyncpg.Connection.execute = execute
asyncio.run(swap(DatabaseAddress(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


@pytest.mark.parametrize("after", ["ALLOW_CONNECTIONS false", "SET statement_timeout", "RENAME TO"])
async def test_a_swap_that_was_killed_is_finished_by_the_next(
    after: str, shop: DatabaseAddress, filled: asyncpg.Connection, backup: Backup, folder: Path
) -> None:
    """SIGKILL after each statement: never two half databases, and the same call again gets there."""
    name, kept = beside(shop, "restored"), beside(shop, "kept")
    await restore_beside(shop, folder, backup, name)
    await filled.execute("DELETE FROM orders")
    done = await anyio.run_process(
        [sys.executable, "-W", "ignore", "-c", KILLED, shop.dsn, name, kept, after],
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    await swap(shop, name, kept)
    async with connection_to(shop) as now:
        assert await now.fetchval("SELECT count(*) FROM orders") == 5000
    await drop(shop, kept)


async def test_the_database_in_use_is_never_dropped(
    shop: DatabaseAddress, filled: asyncpg.Connection
) -> None:
    """Whoever asks for it has mixed something up."""
    with pytest.raises(DatabaseError, match="never dropped"):
        await drop(shop, shop.name)

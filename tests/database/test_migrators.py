"""Django's manage.py and dbmate on a real database: where it is, forward, back, and what they would do wrong is refused."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.database.classifying import classify
from fairdeploy.database.connection import connected
from fairdeploy.database.dbmate import Dbmate
from fairdeploy.database.fencing import end_tools, marked
from fairdeploy.database.migrating import CommandMigrator, django
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.database.printing import django_sql
from fairdeploy.database.sql_files import SQLFiles
from fairdeploy.database.swapping import freeze, thaw
from fairdeploy.engine import Deployer
from fairdeploy.errors import ConsentRequired, DatabaseError, InvalidInput
from fairdeploy.model import TableLoss, Target
from fairdeploy.protocols import Fence
from fairdeploy.rollback import RollbackManager
from fairdeploy.testing.simulation import SimulatedBackend, World

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.protocols import Migrator

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

PROJECT = Path(__file__).parent / "djangos"
SETTINGS = {"STOCK_SECRET_KEY": "in tests only"}
TARGET = Target("shop", replicas=1)
SAMPLES = (
    "INSERT INTO public.stock_sample (name, site) SELECT 'sample ' || n, n % 3 FROM generate_series(1, 100) n"
)


@pytest.fixture
def tool(shop: DatabaseAddress) -> CommandMigrator:
    """Give the migrations of a Django project's app."""
    return django(shop, "stock", cwd=PROJECT, env=SETTINGS)


def manager_of(shop: DatabaseAddress, tool: Migrator, folder: Path) -> RollbackManager:
    """Return a manager of the database, whose application stays as it is."""
    backend = SimulatedBackend(World())
    database = PostgresDatabase(shop, tool, folder=folder, amcheck=False)
    return RollbackManager(
        Deployer(backend, databases={"shop": database}, clock=backend.world.clock, validate=False)
    )


async def ask(shop: DatabaseAddress, query: str) -> object:
    """Return one value of a database, or do something to it."""
    async with connected(shop) as connection:
        return await connection.fetchval(query)


async def columns(shop: DatabaseAddress, table: str) -> list[str]:
    """Return the columns of a table; none if it is not there."""
    query = (
        "SELECT coalesce(array_agg(attname::text ORDER BY attnum), '{}') FROM pg_attribute"  # noqa: S608 -- a name of ours
        f" WHERE attrelid = to_regclass('public.{table}') AND attnum > 0 AND NOT attisdropped"
    )
    found = await ask(shop, query)
    assert isinstance(found, list)
    return found


async def test_django_goes_to_a_version_and_never_the_wrong_way(
    shop: DatabaseAddress, tool: CommandMigrator
) -> None:
    """Its `migrate` goes wherever it is told to; a release that needs an older version would lose what came later."""
    assert await tool.current(shop.dsn) == "zero"
    await tool.upgrade(shop.dsn, "0002_site")
    assert await tool.current(shop.dsn) == "0002_site"
    with pytest.raises(DatabaseError, match=r"'0001_initial' is behind '0002_site'.*newer than the code"):
        await tool.upgrade(shop.dsn, "0001_initial")
    with pytest.raises(DatabaseError, match="'0003_note' was never applied"):
        await tool.downgrade(shop.dsn, "0003_note")
    assert await columns(shop, "stock_sample") == ["id", "name", "site"]

    await freeze(shop)
    await tool.downgrade(shop.dsn, "0001_initial")
    await thaw(shop)
    assert (await tool.current(shop.dsn), await columns(shop, "stock_sample")) == (
        "0001_initial",
        ["id", "name"],
    )
    await ask(
        shop,
        "INSERT INTO public.django_migrations (app, name, applied) VALUES ('stock', '0009_later', now())",
    )
    assert await tool.current(shop.dsn) == "0009_later", "what the code does not know is seen all the same"
    with pytest.raises(InvalidInput, match="label"):
        django(shop, "stock'); import os", cwd=PROJECT)


async def test_django_s_migrations_fail_as_a_whole_or_half_way(
    shop: DatabaseAddress, tool: CommandMigrator
) -> None:
    """The error names what broke; one in a transaction leaves nothing, one without leaves what it had committed."""
    await tool.upgrade(shop.dsn, "0002_site")
    await ask(shop, SAMPLES)
    await ask(shop, "UPDATE public.stock_sample SET name = 'breaks' WHERE id = 50")
    with pytest.raises(DatabaseError, match="ValueError: sample 50 cannot be noted"):
        await tool.upgrade(shop.dsn, "0003_note")
    assert (await tool.current(shop.dsn), await columns(shop, "stock_note")) == ("0002_site", [])

    await ask(shop, "UPDATE public.stock_sample SET name = 'mended' WHERE id = 50")
    with pytest.raises(DatabaseError, match="division by zero"):
        await tool.upgrade(shop.dsn, "0005_half")
    assert await tool.current(shop.dsn) == "0004_upper"
    assert await columns(shop, "stock_sample") == ["id", "name"]


async def test_django_goes_back_with_its_rows_counted_and_not_behind_what_cannot_be_undone(
    shop: DatabaseAddress, tool: CommandMigrator, folder: Path
) -> None:
    """Consent is to the very rows; a migration without a way back breaks on the copy, and the database is as it was."""
    database = PostgresDatabase(shop, tool, folder=folder, amcheck=False)
    await tool.upgrade(shop.dsn, "0002_site")
    await ask(shop, SAMPLES)
    await tool.upgrade(shop.dsn, "0004_upper")
    back, fence = partial(database.migrate, TARGET.id, "0002_site", back=True), Fence(epoch=1, key="r:back")
    with pytest.raises(DatabaseError, match=r"IrreversibleError: .*0004_upper is not reversible.*_verify_"):
        await back(fence)
    assert await tool.current(shop.dsn) == "0004_upper"

    await ask(shop, "DELETE FROM public.django_migrations WHERE name = '0004_upper'")
    fence = Fence(epoch=2, key="r:again")
    with pytest.raises(ConsentRequired) as asked:
        await back(fence)
    assert asked.value.report.gone == (TableLoss("public.stock_note", lost=100),)
    await back(fence, accept=asked.value.report.digest)
    assert await tool.current(shop.dsn) == "0002_site"
    assert await columns(shop, "stock_note") == []
    assert await ask(shop, "SELECT count(*) FROM public.stock_sample WHERE name LIKE 'SAMPLE%'") == 100


async def test_what_django_prints_is_classified_and_python_is_not_trusted(shop: DatabaseAddress) -> None:
    """Of `RunPython` nothing is printed but that it runs: nobody can tell what it does."""
    env = SETTINGS | {"DATABASE_URL": shop.dsn}
    kinds = {}
    for name in ("0002_site", "0003_note", "0005_half"):
        found = classify(await django_sql("stock", name, cwd=PROJECT, env=env))
        kinds[name] = (found.kind, found.reasons[:1])
    assert kinds == {
        "0002_site": ("additive", ()),
        "0003_note": ("destructive", ("runs Python, of which nobody can tell what it does",)),
        "0005_half": ("destructive", ("statement 1: drops the column stock_sample.site, and what is in it",)),
    }


async def test_a_tool_s_session_is_found_by_its_name_however_it_reads_the_dsn(shop: DatabaseAddress) -> None:
    """Libpq, as Django and psql use it: what an older holder has under way is ended, and undone."""
    old = Fence(epoch=3, key="r:migrate")
    dsn = marked(shop.dsn, TARGET.id, old)
    assert "%" not in dsn.partition("?")[2], "many an env.py gives it to a ConfigParser"
    import psycopg  # noqa: PLC0415 -- of this test alone

    with psycopg.connect(dsn) as tool:
        tool.execute("CREATE TABLE half (id int)")
        await end_tools(shop, TARGET.id, old)
        with pytest.raises(psycopg.OperationalError):
            tool.execute("SELECT 1")


async def test_a_tool_works_under_time_outs_of_its_own(shop: DatabaseAddress) -> None:
    """For locks and for statements, and is not kept from a frozen database: by libpq's own variable."""
    say = "current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')"
    ask_it = f"import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute({f'SELECT {say}'!r}).fetchone()[0])"
    tool = CommandMigrator(
        shop,
        current_command=[sys.executable, "-W", "ignore", "-c", ask_it],
        upgrade_command=["true", "{version}"],
        downgrade_command=["true", "{version}"],
        pattern="^(.+)$",
        lock_timeout_ms=70,
        timeout_ms=45_000,
    )
    assert await tool.current(shop.dsn) == "70ms 45s"


async def test_nothing_is_changed_behind_a_long_transaction(
    shop: DatabaseAddress, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds it is named; it may pass, so the step tries again, and then it is done."""
    monkeypatch.setattr("fairdeploy.database.refusing._LONG_S", 0)
    (tmp_path / "0001_new.sql").write_text("CREATE TABLE new (id int);", encoding="utf-8")
    database = PostgresDatabase(shop, SQLFiles(shop, folder=tmp_path), folder=folder)
    forward = partial(database.migrate, TARGET.id, "0001_new", Fence(epoch=1, key="r:migrate"))
    async with connected(shop) as reader:
        async with reader.transaction():
            await reader.fetchval("SELECT 1")
            with pytest.raises(
                DatabaseError, match=r"has been open for \d+ s \(pid \d+, user 'postgres'"
            ) as caught:
                await forward()
        assert caught.value.retryable
        assert await columns(shop, "new") == []
        await forward()
    assert await columns(shop, "new") == ["id"]


DBMATE = {
    "20260101_users.sql": (
        "CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL);",
        "DROP TABLE users;",
    ),
    "20260102_nick.sql": (
        "ALTER TABLE users ADD COLUMN nick text;",
        "ALTER TABLE users DROP COLUMN nick;",
    ),
    "20260103_late.sql": ("CREATE TABLE late (id int); SELECT 1 / 0;", "DROP TABLE late;"),
}


async def test_dbmate_goes_file_by_file_and_no_further_than_asked(
    shop: DatabaseAddress, folder: Path, tmp_path: Path
) -> None:
    """Its own commands know no version: up is all of them, down is one."""
    place = tmp_path / "migrations"
    place.mkdir()
    for name, (up, down) in DBMATE.items():
        (place / name).write_text(f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n", encoding="utf-8")
    tool = Dbmate(shop, folder=place)
    assert await tool.current(shop.dsn) == ""
    await tool.upgrade(shop.dsn, "20260102")
    assert (await tool.current(shop.dsn), await columns(shop, "users")) == (
        "20260102",
        ["id", "email", "nick"],
    )
    with pytest.raises(DatabaseError, match="division by zero"):
        await tool.upgrade(shop.dsn, "20260103")
    assert (await tool.current(shop.dsn), await columns(shop, "late")) == ("20260102", [])
    with pytest.raises(DatabaseError, match="no version '2027'"):
        await tool.upgrade(shop.dsn, "2027")

    done = await manager_of(shop, tool, folder).database_rollback("20260101", target=TARGET)
    assert (done.before, await columns(shop, "users")) == ("20260102", ["id", "email"])
    await ask(shop, "INSERT INTO public.schema_migrations VALUES ('20270101')")
    with pytest.raises(DatabaseError, match=r"no version '20270101'.*newer than the code"):
        await tool.downgrade(shop.dsn, "20260101")
    assert classify((place / "20260102_nick.sql").read_text(encoding="utf-8")).kind == "additive"

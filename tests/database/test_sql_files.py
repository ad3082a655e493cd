"""A folder of SQL that only goes forward: what it can do is done, and what it cannot is said with what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.database.connection import connected
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.database.sql_files import SQLFiles
from fairdeploy.engine import Deployer
from fairdeploy.errors import DatabaseError, RollbackError
from fairdeploy.model import CheckResult, Outcome, Release, Target, Verdict
from fairdeploy.rollback import RollbackManager
from fairdeploy.strategies import BlueGreen, Migrated
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.model import MigrationClass, RolloutResult
    from fairdeploy.protocols import Subject

pytestmark = pytest.mark.anyio

TARGET = Target("shop", replicas=1, endpoint="127.0.0.1:8080")
PLAIN = BlueGreen(watch=0, keep_warm=0, preview_header=None, analysis=())
ONE, TWO = (Release(version, command=["serve", "{port}"]) for version in "12")
ENDS: dict[MigrationClass, tuple[str, list[str]]] = {
    "additive": ("0010_nick", ["id", "email", "nick"]),
    "reversible": ("0010_nick", ["id", "email"]),
    "destructive": ("0011_no_email", ["id", "email"]),
}
"""What a release needs, and which columns are there once it has gone back."""
FILES = {
    "0009_users.sql": "CREATE TABLE IF NOT EXISTS users (id bigserial PRIMARY KEY, email text NOT NULL);",
    "0010_nick.sql": "ALTER TABLE users ADD COLUMN IF NOT EXISTS nick text;",
    "0011_no_email.sql": "ALTER TABLE users DROP COLUMN IF EXISTS email;",
    "0012_broken.sql": "CREATE TABLE half (id int);\nSELECT nonsense;",
    "readme.txt": "no SQL",
}


@pytest.fixture
def files(shop: DatabaseAddress, tmp_path: Path) -> SQLFiles:
    """Give the files, of which none has been run."""
    folder = tmp_path / "sql"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return SQLFiles(shop, folder=folder)


async def columns(shop: DatabaseAddress) -> list[str]:
    """Return the columns of the users."""
    async with connected(shop) as connection:
        rows = await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'public.users'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    return [row["attname"] for row in rows]


async def deployed(database: PostgresDatabase, to: str, change: MigrationClass) -> RolloutResult:
    """Deploy a release whose check fails, and which needs a file."""

    async def asked(_: Subject, /) -> CheckResult:
        return CheckResult(Verdict.FAIL, "as told")

    backend = SimulatedBackend(World(default=Behaviour(start_seconds=0.01)))
    clock = backend.world.clock
    await Deployer(backend, clock=clock, validate=False).deploy(TARGET, ONE, PLAIN)
    deployer = Deployer(
        backend, checks={"asked": asked}, databases={"shop": database}, clock=clock, validate=False
    )
    plan = await deployer.plan(TARGET, TWO, Migrated(PLAIN, database="shop", to=to, change=change))
    async with deployer.run(plan) as rollout:
        return await rollout.result()


async def test_files_are_run_in_the_order_of_their_numbers_and_once(
    files: SQLFiles, shop: DatabaseAddress
) -> None:
    """Ten comes after nine; what fails is undone as a whole; what was changed afterwards is said, not skipped."""
    assert await files.current(shop.dsn) == ""
    await files.upgrade(shop.dsn, "0010_nick")
    assert (await files.current(shop.dsn), await columns(shop)) == ("0010_nick", ["id", "email", "nick"])
    await files.upgrade(shop.dsn, "0011_no_email")
    with pytest.raises(DatabaseError, match="nonsense"):
        await files.upgrade(shop.dsn, "0012_broken")
    assert await files.current(shop.dsn) == "0011_no_email"
    async with connected(shop) as connection:
        assert await connection.fetchval("SELECT to_regclass('public.half') IS NULL")
    with pytest.raises(DatabaseError, match=r"no '0013'.*'0012_broken'"):
        await files.upgrade(shop.dsn, "0013")
    (files.folder / "0010_nick.sql").write_text("SELECT 1;", encoding="utf-8")
    with pytest.raises(DatabaseError, match=r"'0010_nick.sql' was changed.*next number"):
        await files.upgrade(shop.dsn, "0011_no_email")


async def test_the_way_back_is_refused_with_what_can_be_done_instead(
    files: SQLFiles, shop: DatabaseAddress, folder: Path
) -> None:
    """Nothing has changed: neither for who asks the files, nor for who asks the manager."""
    await files.upgrade(shop.dsn, "0010_nick")
    said = "only go forward: .*'0010_nick' to '0009_users'.*application go back alone.*backup.*next file"
    with pytest.raises(DatabaseError, match=said):
        await files.downgrade(shop.dsn, "0009_users")
    backend = SimulatedBackend(World())
    database = PostgresDatabase(shop, files, folder=folder, amcheck=False)
    deployer = Deployer(backend, databases={"shop": database}, clock=backend.world.clock, validate=False)
    with pytest.raises(RollbackError, match=said):
        await RollbackManager(deployer).database_rollback("0009_users", target=TARGET)
    assert (await files.current(shop.dsn), await columns(shop)) == ("0010_nick", ["id", "email", "nick"])


@pytest.mark.parametrize("change", ENDS)
async def test_a_bad_release_goes_back_all_the_same(
    files: SQLFiles, shop: DatabaseAddress, folder: Path, change: MigrationClass
) -> None:
    """What was added stays; else the backup takes its place, as no file leads back: nobody had written since."""
    await files.upgrade(shop.dsn, "0009_users")
    to, left = ENDS[change]
    result = await deployed(PostgresDatabase(shop, files, folder=folder, amcheck=False), to, change)

    assert result.outcome is Outcome.ROLLED_BACK, str(result)
    assert await columns(shop) == left

"""A backup counts once it was restored and holds the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.backup import read_backup
from fairdeploy.database.restoring import verify_backup
from fairdeploy.database.taking import take_backup
from fairdeploy.errors import BackupError, DatabaseError, InvalidInput, MissingDependency
from fairdeploy.model import SecretRef

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import PostgresServer

pytestmark = pytest.mark.anyio


def modes(folder: Path) -> dict[str, str]:
    """Return what is in a folder, with its modes."""
    return {path.suffix: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


async def names(server: PostgresServer) -> set[str]:
    """Return the databases of the server."""
    return set(server.sql("SELECT datname FROM pg_database").split())


async def test_a_backup_that_was_restored_and_holds_the_same_is_proved(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """Archive, manifest and their modes; and no scratch database stays."""
    before = await names(postgres_server)
    taken = await take_backup(shop, folder)
    proved = await verify_backup(shop, folder, taken)
    assert (taken.proof, proved.proof) == ("none", "restored")
    assert proved.restore_ms is not None
    assert read_backup(folder, taken.id) == proved
    assert taken.fingerprint.tables["public.users"].startswith("2000:")
    assert modes(folder) == {".dump": "0o600", ".json": "0o600"}
    assert await names(postgres_server) == before


async def test_a_backup_is_of_one_moment_however_busy_the_database_is(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path
) -> None:
    """Rows that are written meanwhile are in neither archive nor fingerprint."""
    stop, taken = anyio.Event(), None

    async def busy() -> None:
        other = await asyncpg.connect(shop.dsn)
        while not stop.is_set():
            await other.execute("INSERT INTO users (email) VALUES (gen_random_uuid()::text)")
        await other.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy)
        taken = await take_backup(shop, folder)
        stop.set()
    assert taken is not None
    assert (await verify_backup(shop, folder, taken, amcheck=False)).proof == "restored"
    assert await filled.fetchval("SELECT count(*) FROM users") > 2000


async def test_a_damaged_archive_is_found_before_it_is_needed(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """One byte is enough, and the scratch database is not even made."""
    taken = await take_backup(shop, folder)
    archive = taken.archive(folder)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    before = await names(postgres_server)
    with pytest.raises(BackupError, match="its hash differs"):
        await verify_backup(shop, folder, taken)
    assert await names(postgres_server) == before


async def test_a_backup_that_lacks_rows_is_not_believed(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """An archive of another moment than the fingerprint: the table that differs is named."""
    first = await take_backup(shop, folder, backup_id="first")
    await filled.execute("DELETE FROM orders WHERE id < 10")
    second = await take_backup(shop, folder, backup_id="second")
    second.archive(folder).replace(first.archive(folder))
    before = await names(postgres_server)
    lying = type(first)(**{**{f: getattr(first, f) for f in first.__slots__}, "sha256": second.sha256})
    with pytest.raises(BackupError, match=r"table public\.orders_old"):
        await verify_backup(shop, folder, lying)
    assert await names(postgres_server) == before


@pytest.mark.parametrize(
    "cut",
    [(200, "no contents that can be read"), (-300, "cannot be restored")],
    ids=["its list of contents", "restoring it"],
)
async def test_an_archive_that_was_written_broken_is_found_out(
    cut: tuple[int, str],
    shop: DatabaseAddress,
    filled: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
) -> None:
    """Its hash is that of what was written: cut in its list it cannot be listed, cut in its rows not be restored."""
    taken = await take_backup(shop, folder)
    left, said = cut
    rest = taken.archive(folder).read_bytes()[:left]
    taken.archive(folder).write_bytes(rest)
    lying = replace(taken, sha256=hashlib.sha256(rest).hexdigest())
    before = await names(postgres_server)
    with pytest.raises(BackupError, match=said):
        await verify_backup(shop, folder, lying)
    assert read_backup(folder, taken.id).proof == "none"
    assert await names(postgres_server) == before


async def test_an_index_that_disagrees_with_its_table_is_found_out(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """All rows are there and equal, so that only pg_amcheck can tell; without it the backup would be believed."""
    await filled.execute(
        "CREATE FUNCTION lies(bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.random() * $1';"
        "CREATE INDEX liar ON users (lies(id))"
    )
    taken = await take_backup(shop, folder)
    before = await names(postgres_server)
    with pytest.raises(BackupError, match=r"could not be checked by pg_amcheck.*liar"):
        await verify_backup(shop, folder, taken)
    assert read_backup(folder, taken.id).proof == "none"
    assert await names(postgres_server) == before
    assert (await verify_backup(shop, folder, taken, amcheck=False)).proof == "restored"


async def test_a_question_of_ones_own_can_refuse_a_backup(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path
) -> None:
    """It gets the scratch database, and what it raises is raised."""
    taken = await take_backup(shop, folder)

    async def smoke(scratch: DatabaseAddress) -> None:
        connection = await asyncpg.connect(scratch.dsn)
        count = await connection.fetchval("SELECT count(*) FROM users")
        await connection.close()
        raise ValueError(count)

    with pytest.raises(ValueError, match="2000"):
        await verify_backup(shop, folder, taken, smoke=smoke, amcheck=False)
    assert read_backup(folder, taken.id).proof == "none"


async def test_cancelling_leaves_no_scratch_database_and_no_half_archive(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, postgres_server: PostgresServer
) -> None:
    """In the middle of the smoke test, where the scratch database is there for certain."""
    before = await names(postgres_server)
    taken = await take_backup(shop, folder)
    with anyio.CancelScope() as scope:

        async def smoke(_: DatabaseAddress) -> None:
            assert len(await names(postgres_server)) == len(before) + 1
            scope.cancel()
            await anyio.sleep_forever()

        await verify_backup(shop, folder, taken, smoke=smoke, amcheck=False)
    assert await names(postgres_server) == before
    assert sorted(modes(folder)) == [".dump", ".json"]


async def test_the_password_is_in_no_argument_and_no_message(
    shop: DatabaseAddress,
    filled: asyncpg.Connection,
    folder: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over TCP it is asked for; a wrong one says so without being shown."""
    monkeypatch.setenv("SHOP_PASSWORD", "in-tests-only")
    dsn = f"postgresql://postgres@127.0.0.1:{postgres_server.port}/{shop.name}"
    there = DatabaseAddress(dsn, SecretRef.env("SHOP_PASSWORD"), shop.programs)
    assert (await take_backup(there, folder)).database == shop.name
    monkeypatch.setenv("SHOP_PASSWORD", "a-wrong-one")
    with pytest.raises(DatabaseError) as caught:
        await take_backup(there, folder)
    assert "a-wrong-one" not in f"{caught.value!r}{there!r}"
    assert "password authentication failed" in str(caught.value)


async def test_a_server_that_is_gone_is_named(
    shop: DatabaseAddress, folder: Path, postgres_server: PostgresServer
) -> None:
    """With what to look at."""
    gone = DatabaseAddress("postgresql://postgres@127.0.0.1:1/shop", programs=shop.programs)
    with pytest.raises(DatabaseError, match="cannot be reached"):
        await take_backup(gone, folder)


async def test_without_the_programs_it_says_what_to_install(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path, tmp_path: Path
) -> None:
    """The folder that was given is named."""
    with pytest.raises(MissingDependency, match=r"no 'pg_dump' in"):
        await take_backup(DatabaseAddress(shop.dsn, programs=tmp_path), folder)


async def test_a_folder_that_others_can_read_is_refused(
    shop: DatabaseAddress, filled: asyncpg.Connection, folder: Path
) -> None:
    """A backup holds everything."""
    folder.mkdir(mode=0o755)  # noqa: ASYNC240 -- nothing else runs
    with pytest.raises(BackupError, match="chmod 700"):
        await take_backup(shop, folder)
    assert not modes(folder)


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("mysql://db/shop", "begins with postgresql://"),
        ("postgresql://u:secret@db/shop", "must not hold the password"),
        ("postgresql://u@db/shop?password=secret", "must not hold the password"),
        ("postgresql://db", "names no database"),
    ],
)
def test_what_is_no_dsn_is_refused_without_being_shown(dsn: str, said: str) -> None:
    """A password that was pasted in is not repeated."""
    with pytest.raises(InvalidInput, match=said) as caught:
        DatabaseAddress(dsn)
    assert "secret" not in str(caught.value)


def test_a_manifest_that_is_not_ours_is_refused(folder: Path) -> None:
    """Missing, damaged or of a newer version: each by its path."""
    folder.mkdir(mode=0o700)
    with pytest.raises(BackupError, match="no backup 'b1'"):
        read_backup(folder, "b1")
    (folder / "b1.json").write_text('{"id": "b1", "newer": true}')
    with pytest.raises(BackupError, match="damaged, or of another version"):
        read_backup(folder, "b1")

"""PostgreSQL's own copies as a provider of snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.postgres import PostgresDatabase
from fairdeploy.database.sql_files import SQLFiles
from fairdeploy.database.templates import TemplateSnapshots
from fairdeploy.errors import ConsentRequired, DatabaseError, Fenced
from fairdeploy.protocols import Fence
from fairdeploy.testing.conformance import SnapshotProviderConformance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Binaries, PostgresServer


class Rows:
    """A table of a real database."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address

    @property
    def database(self) -> str:
        """Its name."""
        return self.address.name

    async def write(self, row: str) -> None:
        """Write one."""
        connection = await asyncpg.connect(self.address.dsn)
        await connection.execute("CREATE TABLE IF NOT EXISTS notes (body text)")
        await connection.execute("INSERT INTO notes VALUES ($1)", row)
        await connection.close()

    async def rows(self, at: str | None = None) -> frozenset[str]:
        """Return all."""
        place = self.address.dsn if at is None else at if "://" in at else self.address.named(at).dsn
        connection = await asyncpg.connect(place)
        found = await connection.fetch("SELECT body FROM notes")
        await connection.close()
        return frozenset(row["body"] for row in found)


@pytest.fixture
def beside(postgres_server: PostgresServer) -> Iterator[None]:
    """Drop what was made beside a database, in the end."""
    before = set(postgres_server.sql("SELECT datname FROM pg_database").split())
    yield
    for name in set(postgres_server.sql("SELECT datname FROM pg_database").split()) - before:
        postgres_server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.anyio
@pytest.mark.usefixtures("beside")
async def test_a_snapshot_takes_the_place_of_a_real_database_under_a_fence(
    shop: DatabaseAddress, folder: Path
) -> None:
    """What was written since is told and agreed to; done again it is not done twice, and an older holder is refused."""
    provider, rows = TemplateSnapshots(shop), Rows(shop)
    database = PostgresDatabase(shop, SQLFiles(shop, folder=folder), folder=folder, snapshots=provider)
    await rows.write("before")
    taken = await provider.snapshot(shop.name, "nightly")
    await rows.write("after")

    async def restore(epoch: int, to: str = "", accept: str = "") -> str:
        fence = Fence(epoch=epoch, key=f"r{epoch}:restore")
        return await database.restore_snapshot("shop", taken.id, fence, to=to, accept=accept)

    assert await database.snapshot_before(taken.at_ms) is None
    assert await database.snapshot_before(taken.at_ms + 1) == taken
    with pytest.raises(DatabaseError, match="not at '7'"):
        await restore(1, to="7")
    with pytest.raises(ConsentRequired, match="frozen") as asked:
        await restore(2)
    assert [(each.table, each.lost) for each in asked.value.report.tables] == [("public.notes", 1)]
    assert (await database.observe()).frozen
    told = await restore(3, accept=asked.value.report.digest)
    kept = told.partition("kept as '")[2].partition("'")[0]
    assert await rows.rows(kept) == {"before", "after"}
    await rows.write("anew")
    assert f"kept as {kept!r}" in await restore(3, accept="any")
    assert await rows.rows() == {"before", "anew"}
    with pytest.raises(Fenced):
        await restore(2, accept="any")


class TestTemplates(SnapshotProviderConformance):
    """Copies of files beside."""

    @pytest.fixture
    def rows(
        self, postgres: str, postgres_binaries: Binaries, postgres_server: PostgresServer
    ) -> Iterator[Rows]:
        """Give a database; what was made beside it goes in the end."""
        rows = Rows(DatabaseAddress(postgres, programs=postgres_binaries.folder))
        yield rows
        for name in postgres_server.sql("SELECT datname FROM pg_database").split():
            if name.startswith((f"{rows.database}_", "conformance_")):
                postgres_server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    @pytest.fixture
    def provider(self, rows: Rows) -> TemplateSnapshots:
        """Give the provider."""
        return TemplateSnapshots(rows.address)

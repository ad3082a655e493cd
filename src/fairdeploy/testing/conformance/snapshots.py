"""What every provider of database snapshots must do, whoever keeps them."""

from __future__ import annotations

from typing import Protocol

import pytest

from fairdeploy.errors import BackupError, FairdeployError
from fairdeploy.protocols import Snapshot, SnapshotProvider
from fairdeploy.testing.conformance.suite import Conformance, expect

__all__ = ["SnapshotProviderConformance", "SnapshotRows"]


class SnapshotRows(Protocol):
    """A database as who uses it sees it: rows, by a name that the provider knows."""

    @property
    def database(self) -> str:
        """The provider's name of the database in use."""
        ...

    async def write(self, row: str) -> None:
        """Write a row into the database in use."""
        ...

    async def rows(self, at: str | None = None) -> frozenset[str]:
        """Return the rows of the database in use, or of the one that a DSN leads to, or that has a name."""
        ...


class SnapshotProviderConformance(Conformance, suite=True):
    """Standard tests of a `SnapshotProvider`: derive, and give the fixtures ``provider`` and ``rows``.

    ::

        class TestMine(SnapshotProviderConformance):
            @pytest.fixture
            def rows(self) -> SnapshotRows:
                return a_database_that_is_empty

            @pytest.fixture
            def provider(self, rows: SnapshotRows) -> SnapshotProvider:
                return MyProvider(rows.database)
    """

    async def test_a_label_is_one_snapshot(self, provider: SnapshotProvider, rows: SnapshotRows) -> None:
        """Asked again it is the same, also after the database has moved on; it is listed, and can be restored."""
        await rows.write("first")
        taken = await provider.snapshot(rows.database, "r1:backup")
        await rows.write("second")
        again = await provider.snapshot(rows.database, "r1:backup")
        other = await provider.snapshot(rows.database, "r2:backup")

        expect(again.id == taken.id, "the same label is the same snapshot", (taken, again))
        expect(other.id != taken.id, "another label is another one", (taken, other))
        expect(taken.ready and taken.database == rows.database, "what is returned can be restored", taken)
        listed = await provider.snapshots(rows.database)
        expect([each.id for each in listed] == [taken.id, other.id], "all are listed, oldest first", listed)

    async def test_it_is_restored_beside_and_never_over(
        self, provider: SnapshotProvider, rows: SnapshotRows
    ) -> None:
        """What was there then is found beside; what is in use is as it was; again, it is the same."""
        await rows.write("first")
        taken = await provider.snapshot(rows.database, "r1:backup")
        await rows.write("second")
        for _ in range(2):
            place = await provider.restore(taken, "conformance_beside")
            expect(await rows.rows(place) == {"first"}, "beside is what was there then", place)
        expect((seen := await rows.rows()) == {"first", "second"}, "what is in use is as it was", seen)
        await provider.remove("conformance_beside")
        await provider.remove("conformance_beside")

    async def test_a_switch_keeps_what_was_in_use(
        self, provider: SnapshotProvider, rows: SnapshotRows
    ) -> None:
        """Who uses the database finds the restored one, and what was there can still be read; again, nothing happens."""
        await rows.write("first")
        taken = await provider.snapshot(rows.database, "r1:backup")
        await rows.write("second")
        await provider.restore(taken, "conformance_beside")
        kept = await provider.switch(rows.database, "conformance_beside")
        again = await provider.switch(rows.database, "conformance_beside")

        expect(again == kept, "a switch that is done is not done twice", (kept, again))
        expect((seen := await rows.rows()) == {"first"}, "what was restored is in use", seen)
        expect(await rows.rows(kept) == {"first", "second"}, "what was in use is kept", kept)
        await rows.write("third")
        expect((seen := await rows.rows()) == {"first", "third"}, "it can be written", seen)

    async def test_what_cannot_be_is_refused(self, provider: SnapshotProvider, rows: SnapshotRows) -> None:
        """No such snapshot, nothing restored to switch to, and what is in use is never removed."""
        await rows.write("first")
        with pytest.raises(BackupError):
            await provider.restore(Snapshot("nobody-took-it", database=rows.database, at_ms=0), "beside")
        with pytest.raises(FairdeployError):
            await provider.switch(rows.database, "nothing_restored")
        with pytest.raises(FairdeployError):
            await provider.remove(rows.database)
        expect((seen := await rows.rows()) == {"first"}, "what is in use is as it was", seen)

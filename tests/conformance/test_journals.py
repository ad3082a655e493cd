"""Our journals keep the contract that we ask of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.journal import MemoryJournal, SQLiteJournal
from fairdeploy.journal.postgres import PostgresJournal
from fairdeploy.testing.conformance import JournalConformance

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.protocols import Journal
    from fairdeploy.testing.conformance import Opened


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops."""
    return str(request.param)


class TestMemory(JournalConformance):
    """The journal that ends with the process."""

    @pytest.fixture
    def opened(self) -> Opened[Journal]:
        """Open one journal again and again."""
        journal = MemoryJournal()
        return lambda: journal


class TestSQLite(JournalConformance):
    """The durable journal, opened from one file several times at once."""

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened[Journal]:
        """Open one file."""
        return lambda: SQLiteJournal.open(tmp_path / "journal.db")


class TestPostgres(JournalConformance):
    """The journal of several machines, opened from one database several times at once."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio, as the driver does."""
        return "asyncio"

    @pytest.fixture
    def opened(self, postgres: str) -> Opened[Journal]:
        """Open one database."""
        return lambda: PostgresJournal.open(postgres)

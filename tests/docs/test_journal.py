"""The page about the journal runs: every block of Python in it, in order, with both durable kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.test_guide import run
from tests.postgres import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import PostgresServer

pytestmark = pytest.mark.anyio


async def test_the_page_about_the_journal_runs(
    tmp_path: Path, postgres_server: PostgresServer, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening, pruning, moving and copying, as they stand there."""
    monkeypatch.setenv("JOURNAL_PASSWORD", PASSWORD)
    database = postgres.partition("?")[0].rpartition("/")[2]
    dsn = postgres_server.tcp(database).replace(f":{PASSWORD}@", "@")
    await run("docs/journal.md", {"folder": tmp_path, "dsn": dsn})

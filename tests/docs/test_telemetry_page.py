"""The page about telemetry runs, over a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.journal import SQLiteJournal
from tests.docs.test_guide import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.anyio
async def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sink can be made as it says; the figures of an empty journal are none."""
    monkeypatch.chdir(tmp_path)
    async with SQLiteJournal.open(tmp_path / "journal.sqlite") as journal:
        await run("docs/telemetry.md", {"journal": journal})

"""The page on health runs: against a real PostgreSQL, and a server that answers as an application would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.test_guide import blocks, run
from tests.health.serving import answer, served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_the_page_on_health_runs(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every block of it, in order."""
    monkeypatch.setenv("DATABASE_URL", postgres)
    async with served({"/health": answer(body={"status": "ok"})}) as site:
        await run("docs/health.md", {"url": site.url(), "uploads": str(tmp_path)})

    assert len(blocks("docs/health.md")) == 4
    assert "PostgreSQL at env 'DATABASE_URL' is a primary" in capsys.readouterr().out

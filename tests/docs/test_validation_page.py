"""The page on validation runs: every block of Python in it, in order, against real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairdeploy.backends.local import LocalBackend
from tests.docs.test_guide import run
from tests.ports import free_port
from tests.proof.stage import stopped

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]


async def test_the_page_on_validation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of the page runs, in the order of the page."""
    monkeypatch.setenv("CATALOGUE_TOKEN", "set by the page")
    folder = tmp_path / "deployments"
    async with LocalBackend.open(folder) as backend, stopped(folder):
        await run("docs/validation.md", {"backend": backend, "port": free_port()})

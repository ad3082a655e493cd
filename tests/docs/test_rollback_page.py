"""The page on going back runs: every block of Python in it, in order, against real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairdeploy.backends.local import LocalBackend
from tests.docs.test_guide import run
from tests.ports import free_port
from tests.proof.stage import stopped

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]


async def test_the_page_on_going_back_runs(tmp_path: Path) -> None:
    """Every block of the page runs, in the order of the page."""
    folder = tmp_path / "deployments"
    given = {"port": free_port(), "folder": tmp_path / "positions"}
    async with LocalBackend.open(folder) as backend, stopped(folder):
        await run("docs/rollback.md", {"backend": backend, **given})

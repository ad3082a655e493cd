"""The page about notebooks is one: it runs in a kernel of Jupyter, and in marimo."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import nbformat
import pytest
from nbclient import NotebookClient

from tests.contracts import source
from tests.ports import free_port
from tests.proof.stage import stopped

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.timeout(400)]

_JUPYTER: Any = nbformat  # Any: the library is not typed
_CELLS = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def notebook() -> Any:  # noqa: ANN401 -- as above
    """Return the page's blocks as a notebook's cells, at a free port."""
    page = (source.ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    cells = [cell.replace(":8080", f":{free_port()}") for cell in _CELLS.findall(page)]
    return _JUPYTER.v4.new_notebook(
        cells=[_JUPYTER.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder in which what a notebook deploys is stopped afterwards."""
    async with stopped(tmp_path / "deployments"):
        yield tmp_path


async def test_jupyter_draws_a_rollout_in_place(folder: Path) -> None:
    """Plan, rollout and result are tables; what is live stays one output of its cell, as it was drawn last."""
    ran = notebook()
    client: Any = NotebookClient(
        ran, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    await client.async_execute()

    _, planned, _, shown, _ = [cell.outputs for cell in ran.cells]
    assert "Canary of shop/production" in planned[0].data["text/html"]
    live, result = shown
    assert (live.output_type, result.output_type) == ("display_data", "execute_result")
    assert "promoted" in live.data["text/html"]
    assert "<svg" in live.data["text/html"]
    assert "promoted" in live.data["text/plain"]
    assert "◐" not in live.data["text/plain"]
    assert "promoted after" in result.data["text/html"]


@pytest.mark.nightly
async def test_marimo_runs_the_same_cells(folder: Path) -> None:
    """Each cell is a task of its own there too; the file that it writes holds the last drawing."""
    _JUPYTER.write(notebook(), folder / "page.ipynb")

    def marimo(*words: str) -> None:
        command = [sys.executable, "-m", "marimo", "-q", "-y", *words]
        subprocess.run(command, cwd=folder, check=True, timeout=150, capture_output=True)

    await anyio.to_thread.run_sync(marimo, "convert", "page.ipynb", "-o", "page.py")
    await anyio.to_thread.run_sync(marimo, "export", "html", "page.py", "-o", "page.html")

    said = html.unescape((folder / "page.html").read_text(encoding="utf-8"))
    assert "promoted after" in said
    assert "fairdeploy-sheet" in said

"""The data steward's notebook runs, from top to bottom."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nbclient import NotebookClient

from tests.patterns.notebook import made, written

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "choosing.py"


@pytest.fixture(scope="module")
def said() -> str:
    """Run the notebook as a program, without a screen; a warning is an error."""
    environment: Mapping[str, str] = {**os.environ, "MPLBACKEND": "Agg"}
    ran = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(NOTEBOOK)],
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
        env=environment,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_notebook_runs_and_says_what_it_promises(said: str) -> None:
    """A recommendation, its doubts, scenarios, cost, a pattern of one's own, and the sources."""
    for words in (
        "We recommend Private Cloud",
        "wins in",
        "Can be chosen in every scenario",
        "of it people",
        "National research cloud",
        "fairdeploy recommends only",
        "Sources",
    ):
        assert words in said


def test_every_cell_has_words_before_it() -> None:
    """A steward reads before each cell what it is for."""
    cells = NOTEBOOK.read_text(encoding="utf-8").split("\n# %%")[1:]
    kinds = ["words" if cell.startswith(" [markdown]") else "code" for cell in cells]

    assert kinds == ["words", "code"] * (len(kinds) // 2)
    assert len(kinds) >= 12


def test_the_notebook_of_jupyter_has_the_same_cells() -> None:
    """One text, two files: `python -m tests.patterns.notebook` writes the other."""
    assert [dict(cell) for cell in written().cells] == [dict(cell) for cell in made().cells]


def test_the_notebook_runs_in_a_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter's own kernel runs every cell; tables are pages, and each plot is drawn."""
    # The kernel is this environment's own, whatever is installed for the user; its files are the test's.
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = written()
    with warnings.catch_warnings():
        # zmq's sockets and the event loop are the libraries' own business.
        warnings.simplefilter("ignore")
        NotebookClient(
            notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
        ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = "".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    plots = [output for output in outputs if "image/png" in output.get("data", {})]

    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "We recommend Private Cloud" in shown
    assert "National research cloud" in shown
    assert len(plots) >= 4

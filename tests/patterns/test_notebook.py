"""The data steward's notebook runs, from top to bottom."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        timeout=110,
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

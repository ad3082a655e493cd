from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts import source

pytestmark = [pytest.mark.load, pytest.mark.timeout(600)]

SMALL = {
    "conviction": ["--times", "1", "--rate", "150"],
    "database": ["--rows", "1000", "--times", "2"],
    "engine": ["--rollouts", "4"],
    "faces": ["--rounds", "1"],
    "guard": ["--times", "1", "--rate", "100"],
    "health": ["--number", "20", "--rounds", "1"],
    "imports": ["--rounds", "1"],
    "journal": ["--times", "5", "--rollouts", "4"],
    "latency": ["--rate", "50", "--seconds", "1", "--rounds", "1"],
    "losses": ["--changes", "3", "--rate", "50", "--pause", "0.05"],
    "recover": ["--times", "1", "--rate", "100"],
    "rollback": ["--times", "1", "--rate", "200"],
    "simulation": ["--runs", "8", "--processes", "2"],
    "switch": ["--switches", "4"],
    "verdicts": ["--runs", "2"],
}
"""How a script is run when only whether it works is asked; what it measures then means nothing."""

FOLDER = source.ROOT / "benchmarks"
OTHERS = {"compose", "recommend", "temporal"}
"""Tested with what they measure."""


def test_every_script_is_tried() -> None:
    """A benchmark that nobody runs stops working unseen."""
    scripts = {path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")}

    assert scripts - OTHERS == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_and_prints_its_figures(name: str, tmp_path: Path) -> None:
    """Each script runs to its end on small numbers and prints a figure beside its budget."""
    ran = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *SMALL[name]],
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
        cwd=tmp_path,
    )

    assert ran.returncode == 0, ran.stderr
    assert "budget" in ran.stdout or "beside" in ran.stdout

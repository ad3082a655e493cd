"""The README's two commands are what works, and what CI runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.contracts import source

if TYPE_CHECKING:
    from pathlib import Path

PREPARE = "python3 -m venv .venv && .venv/bin/pip install -q uv && "
QUICKSTART = f"{PREPARE}.venv/bin/uv run examples/quickstart.py"
TEST = f"{PREPARE}.venv/bin/uvx nox"


def _readme() -> list[str]:
    return (source.ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_the_readme_gives_both_commands() -> None:
    """Each command stands once, alone on its line, from a machine with Python and pip."""
    assert [line for line in _readme() if line.startswith("python3 -m venv")] == [QUICKSTART, TEST]


def test_ci_runs_the_readme_test_command(tmp_path: Path) -> None:
    """`.ci/run` takes the command from the README, says that this is CI, and fails as the command does."""
    shutil.copytree(source.ROOT / ".ci", tmp_path / ".ci")
    shutil.copy(source.ROOT / "README.md", tmp_path)
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "CI=$CI" "$@"\nexit 3\n', encoding="utf-8")
    python.chmod(0o755)

    ran = subprocess.run(
        [tmp_path / ".ci" / "run"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": f"{python.parent}:{os.environ['PATH']}"},
    )

    assert ran.stdout.splitlines() == [f"+ {TEST}", "CI=true -m venv .venv"]
    assert ran.returncode == 3


def test_ci_refuses_a_readme_without_the_command(tmp_path: Path) -> None:
    """Without the line there is nothing to run, and that is a failure."""
    shutil.copytree(source.ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "README.md").write_text("# fairdeploy\n", encoding="utf-8")

    ran = subprocess.run([tmp_path / ".ci" / "run"], check=False, capture_output=True, text=True, timeout=30)

    assert ran.returncode == 1
    assert "README.md" in ran.stderr

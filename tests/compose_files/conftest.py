"""Docker's own Compose, which needs no running engine to read files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fairdeploy.compose import compose_command
from fairdeploy.errors import MissingDependency

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path for path in CORPUS.glob("*/*/compose.y*ml"))


@pytest.fixture(scope="session")
def compose() -> tuple[str, ...]:
    """Find Compose 2. Without it, tests are skipped; but not where they are to be relied on."""
    try:
        argv = compose_command()
        said = subprocess.run([*argv, "version"], capture_output=True, text=True, timeout=100, check=False)
    except (MissingDependency, OSError) as exc:
        said = subprocess.CompletedProcess([], 1, "", str(exc))
        argv = ()
    if said.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"Docker Compose is needed: {said.stderr}")
        pytest.skip(f"no Docker Compose here: {said.stderr.strip()}")
    return argv

"""The benchmark of a step on Temporal runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.contracts import source


@pytest.mark.temporal
@pytest.mark.timeout(600)
def test_it_prints_its_figures() -> None:
    """A figure beside a bare activity's."""
    argv = [sys.executable, str(source.ROOT / "benchmarks" / "temporal.py")]
    ran = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=500)

    assert ran.returncode == 0, ran.stderr
    assert "beside bare activity" in ran.stdout

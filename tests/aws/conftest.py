"""Emulators for the tests of this folder: without them a test is skipped, in CI it fails."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.aws.emulators import CREDENTIALS, ministack, ministack_binary, moto
from tests.docker import docker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give credentials that emulators take, and no others."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def emulated() -> None:
    """Skip without ministack; in CI it must be there."""
    if ministack_binary() is None:
        why = "ministack is not installed: nox -s aws makes an environment for it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="session")
def ecs_url(emulated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give ministack without Docker: tasks run as soon as they are asked for."""
    with ministack(tmp_path_factory.mktemp("ecs"), docker=False) as url:
        yield url


@pytest.fixture(scope="session")
def containers_url(
    emulated: None, docker_engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give ministack with Docker: tasks are containers."""
    with ministack(tmp_path_factory.mktemp("containers"), docker=True) as url:
        yield url
    # It leaves what still ran: told from others' by its port, which is in the label.
    port = url.rpartition(":")[2]
    left = docker("ps", "-a", "--filter", "label=ministack=ecs", "--format", "{{.ID}} {{.Labels}}")
    mine = [line.split()[0] for line in left.splitlines() if f":{port}" in line]
    if mine:
        docker("rm", "--force", *mine)


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give moto."""
    with ExitStack() as stack:
        yield stack.enter_context(moto(tmp_path_factory.mktemp("moto")))

"""The engine tells of containers as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.backends.compose._engine import Engine
from fairdeploy.backends.compose._hearing import Hearing
from tests.docker import docker

if TYPE_CHECKING:
    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(300)]


async def test_what_happens_to_containers_of_the_project_is_heard(made: Project) -> None:
    """One that ends, starts or is taken away; nothing else is a change."""
    made.compose("up", "-d", "app")
    (container,) = made.containers()
    engine = Engine()
    hearing = Hearing(engine, made.folder.name)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hearing.follow)
            while not await hearing.change(0.2):
                docker("restart", "--time", "0", container)
            while await hearing.change(1):  # all that was told of it is heard
                pass
            for act in (("kill",), ("start",), ("rm", "--force")):
                docker(*act, container)
                assert await hearing.change(60), act
            tasks.cancel_scope.cancel()
    finally:
        await engine.aclose()

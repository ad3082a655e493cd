"""The Compose backend as a crash house: containers behind a real Envoy, under real load."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.local import open_keeper
from fairdeploy.model import HTTPProbe, Job, Probes, Release, Target
from fairdeploy.testing.crash import Housing
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection, post
from tests.compose.stage import Project, project
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Deployment
    from fairdeploy.protocols import Backend
    from fairdeploy.testing.crash import House
    from fairdeploy.testing.load import LoadProcess

__all__ = ["RATE", "ComposeHouse", "compose_house", "house_of"]

RATE = 30.0


@final
class ComposeHouse:
    """A project whose application vanishes when it is told to stop."""

    def __init__(self, folder: str, endpoint: str) -> None:
        self._project = Project(Path(folder))
        self._target = Target("app", replicas=1, endpoint=endpoint, drain_ms=10_000)

    @property
    def target(self) -> Target:
        """See `CrashHouse.target`."""
        return self._target

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """See `CrashHouse.open`."""
        return ComposeBackend.open(
            self._project.file, "app", home=self._project.home, guard=False, shared=["/traces"]
        )

    def release(self, version: str) -> Release:
        """See `CrashHouse.release`."""
        program = "/site/fairdeploy/testing/crash/_application.py"
        command = ["python3", "-IS", program, "{port}", "{revision}"]
        return Release(version, command=command, probes=Probes(readiness=HTTPProbe("/", interval_ms=100)))

    def job(self, version: str) -> Job:
        """See `CrashHouse.job`."""
        return Job("trace", command=["sh", "-c", f"echo ran >> /traces/{version}"])

    def runs(self, version: str) -> int:
        """See `CrashHouse.runs`."""
        trace = self._project.folder / "traces" / version
        return len(trace.read_text().splitlines()) if trace.exists() else 0

    def load(self) -> AbstractAsyncContextManager[LoadProcess]:
        """See `CrashHouse.load`."""
        mix = (
            keep_alive(weight=70, timeout=60),
            new_connection(weight=15, timeout=60),
            post(weight=15, timeout=60),
        )
        return load_process(
            f"http://{self._target.endpoint}", mix=mix, rate=RATE, settings=LoadSettings(stop_within=60)
        )

    def strays(self, deployment: Deployment) -> Sequence[str]:
        """See `CrashHouse.strays`: containers, other than jobs, that no instance accounts for."""
        known = {instance.id for revision in deployment.revisions for instance in revision.instances}
        there = self._project.containers("label=com.docker.compose.oneoff=False")
        return [f"container {each}" for each in there if each not in known]


@asynccontextmanager
async def compose_house(image: str) -> AsyncIterator[Housing]:
    """Give a new project, and remove all of it in the end."""
    text = f"""
services:
  app:
    image: {image}
    command: ["sleep", "3600"]
    expose: ["8000"]
    stop_grace_period: 0s
    volumes: ["./traces:/traces"]
"""
    with project(text) as made:
        (made.folder / "traces").mkdir()
        try:
            yield Housing.of(ComposeHouse, str(made.folder), f"127.0.0.1:{free_port()}")
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(made.home / "keeper").shutdown()


def house_of(image: str) -> House:
    """Return what gives new houses."""
    return partial(compose_house, image)

"""A Compose project of a test's own, and all that it leaves removed in the end."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from fairdeploy import Deployer, HTTPProbe, Probes, Release, Target
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.compose._containing import ContainerKeeper
from fairdeploy.backends.local import open_keeper
from tests.docker import docker
from tests.ports import free_port

__all__ = ["APPLICATION", "Project", "Stage", "application", "project", "stage"]

APPLICATION = ("python3", "-m", "fairdeploy.testing.apps.polite", "--host", "0.0.0.0")


def application(version: str, *options: str) -> Release:
    """Return a release of the polite application, in the image that the file names."""
    command = [*APPLICATION, "--port", "{port}", "--revision", "{revision}", *options]
    return Release(version, command=command, probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)))


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a Compose file."""

    folder: Path

    @property
    def file(self) -> Path:
        """The file."""
        return self.folder / "compose.yaml"

    @property
    def home(self) -> Path:
        """Where the backend keeps its notes."""
        return self.folder / "home"

    def write(self, text: str) -> None:
        """Write the file."""
        self.file.write_text(text)

    def compose(self, *words: str) -> str:
        """Do as a person does who types `docker compose`."""
        return docker("compose", "--project-directory", str(self.folder), "--file", str(self.file), *words)

    def run(self, *words: str) -> str:
        """Run `docker` with these words in the folder."""
        return docker(*words)

    def containers(self, *filters: str) -> list[str]:
        """Return the ids of the project's containers, running or not."""
        words = [f"label=com.docker.compose.project={self.folder.name}", *filters]
        return docker("ps", "-aq", *(part for word in words for part in ("--filter", word))).split()

    def shown(self, container: str) -> dict[str, object]:
        """Return what the engine knows of a container."""
        found = json.loads(docker("inspect", container))[0]
        assert isinstance(found, dict)
        return found


@contextmanager
def project(text: str) -> Iterator[Project]:
    """Give a project, and remove its containers, networks and volumes in the end."""
    folder = Path(tempfile.mkdtemp(prefix="fde"))  # a name that is one for Compose too
    folder = folder.rename(folder.with_name(folder.name.lower().replace("_", "x")))
    made = Project(folder)
    made.write(text)
    try:
        yield made
    finally:
        if left := made.containers():
            docker("rm", "--force", "--volumes", *left)
        for kind in ("network", "volume"):
            label = f"label=com.docker.compose.project={folder.name}"
            if named := docker(kind, "ls", "-q", "--filter", label).split():
                docker(kind, "rm", *named)
        shutil.rmtree(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a test acts on."""

    project: Project
    backend: ComposeBackend
    deployer: Deployer
    target: Target

    @property
    def url(self) -> str:
        """Where visitors go."""
        return f"http://{self.target.endpoint}"


@asynccontextmanager
async def stage(
    made: Project,
    *,
    replicas: int = 2,
    guard: bool = False,
    light: bool = False,
    keep_stopped: float = 0,
    envoy_image: str = "",
) -> AsyncIterator[Stage]:
    """Open the project's service `app`, and stop its router in the end."""
    target = Target("app", replicas=replicas, endpoint=f"127.0.0.1:{free_port()}", drain_ms=15_000)
    async with ComposeBackend.open(
        made.file,
        "app",
        home=made.home,
        guard=guard,
        light=light,
        keep_stopped=keep_stopped,
        envoy_image=envoy_image,
    ) as backend:
        try:
            yield Stage(
                project=made, backend=backend, deployer=Deployer(backend, validate=False), target=target
            )
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(made.home / "keeper").shutdown()
                if envoy_image:
                    await ContainerKeeper(made.home / "router", envoy_image).shutdown()

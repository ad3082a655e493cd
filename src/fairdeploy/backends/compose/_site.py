"""A project on its engine: what is there, and the few hands laid on it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, final

from anyio import to_thread

from fairdeploy.backends.compose import _cli, _keeping, _starting
from fairdeploy.backends.compose._container import COMPOSE
from fairdeploy.backends.compose._observing import sorted_out
from fairdeploy.backends.compose._place import Place
from fairdeploy.backends.compose._readiness import Readiness
from fairdeploy.errors import InvalidInput, StartError
from fairdeploy.host import _epoch, _files, _lock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.backends.compose._container import Container
    from fairdeploy.backends.compose._engine import Engine
    from fairdeploy.backends.compose._observing import Found
    from fairdeploy.backends.compose._place import Paper, Record
    from fairdeploy.backends.compose._project import Project
    from fairdeploy.model import Release, Target
    from fairdeploy.protocols import Fence

__all__ = ["Site"]

_LOCK_SECONDS: Final = 60.0


@final
class Site:
    """A project on its engine.

    Args:
        home: Folder of notes.
        project: Which.
        engine: Where its containers are.
        journal: Address of the journal, if it is not the home's own.
    """

    def __init__(self, home: Path, project: Project, engine: Engine, journal: str | None = None) -> None:
        self.home = home
        self.journal = journal
        self.project = project
        self.engine = engine
        self.readiness = Readiness()
        self._ports: dict[str, int | None] = {}

    def place(self, target: Target) -> Place:
        """Return where what is known of a target is written.

        Raises:
            InvalidInput: If no service belongs to it.
        """
        services = self.project.services
        if target.app not in services and len(services) > 1:
            raise InvalidInput(
                f"target {target.id!r} belongs to no service of {list(services)!r}: name its app after one of them"
            )
        return Place(self.home, target.id, target.app if target.app in services else next(iter(services)))

    def owner(self, service: str) -> Place | None:
        """Return the target that deploys a service, if one has."""
        target = _owner(self.home, service)
        return None if target is None else Place(self.home, target, service)

    async def seen(self, place: Place) -> Found:
        """Look at paper and engine.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        paper = await to_thread.run_sync(place.read)
        containers = await self.containers(place)
        adopts = _owner(self.home, place.service) in {None, place.target}
        if place.service not in self._ports and any(each.target is None for each in containers):
            service = (await self.project.read()).service(place.service)
            image = await self.engine.image(containers[0].image)
            self._ports[place.service] = _starting.port_of(self.project, service, image)
        port = self._ports.get(place.service)
        return sorted_out(place, paper, containers, adopts=adopts, port=port)

    async def publishes(self, target: Target) -> bool:
        """Whether Docker holds the port of a target's endpoint for a container of its service.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        if target.endpoint is None:
            return False
        there = await self.containers(self.place(target))
        return any(target.address[1] in each.published for each in there)

    async def settled(self, place: Place, paper: Paper, release: Release) -> Record:
        """Return how a revision is started; it is written down once.

        Raises:
            StartError: If its image is not there, or a placeholder has no meaning.
            StateError: If the home cannot be written.
        """
        file = await self.project.read()
        return await _starting.settle(
            place,
            paper,
            release,
            project=self.project,
            service=file.service(place.service),
            engine=self.engine,
            home=self.home.name,
        )

    async def containers(self, place: Place) -> tuple[Container, ...]:
        """Return every container of the service, whoever made it.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        return await self.engine.containers(
            {
                f"{COMPOSE}project": self.project.name,
                f"{COMPOSE}service": place.service,
                f"{COMPOSE}oneoff": "False",
            }
        )

    def locked(self) -> AbstractAsyncContextManager[int]:
        """Hold the project's lock."""
        return _lock.held(self.home / "lock", seconds=_LOCK_SECONDS)

    @asynccontextmanager
    async def changing(self, place: Place, fence: Fence) -> AsyncGenerator[int]:
        """Hold the project's lock under an epoch that is not older than any seen; yield the lock.

        Raises:
            Fenced: If it is older.
        """
        async with self.locked() as lock:
            await to_thread.run_sync(place.make)
            _epoch.pass_on(place.epoch, place.target, fence)
            if _owner(self.home, place.service) is None:
                _files.write_json(_owners(self.home, place.service), {"target": place.target}, durable=True)
            yield lock

    async def up(
        self,
        place: Place,
        record: Record,
        missing: int,
        *,
        env: Mapping[str, str],
        lock: int,
    ) -> None:
        """Let Compose make what is missing; if it cannot, remove what it has made.

        Raises:
            StartError: With Compose's words.
        """
        await _keeping.drop(self, place.service)  # Compose would start it beside the others
        before = await self.containers(place)
        dead = [
            each
            for each in before
            if each.target == place.target and not each.begun and each.state == "created"
        ]
        await self.engine.stop_all(dead)  # made, and not started before whoever made them died
        known = {each.id for each in before} - {each.id for each in dead}
        scale = f"{place.service}={len(known) + missing}"
        wrong = await _cli.act(
            [
                *self.project.words(str(place.override(record.revision))),
                *("up", "--detach", "--no-deps", "--no-recreate", "--no-build", "--pull", "never", "--scale"),
                *(scale, place.service),
            ],
            env=env,
            lock=lock,
        )
        if wrong:
            made = [each for each in await self.containers(place) if each.id not in known]
            await self.engine.stop_all(made)
            raise StartError(
                f"revision {record.revision!r} of {place.target!r} cannot be started by Compose", wrong
            )

    async def stop(self, place: Place, containers: Sequence[Container]) -> None:
        """Stop and remove containers, and forget them.

        Raises:
            BackendError: If the engine cannot.
        """
        for each in containers:
            place.quiescing(each.instance).touch(mode=0o600)  # who looks while it ends must not count on it
        await self.engine.stop_all(containers)
        self.readiness.forget(containers)
        for each in containers:
            await to_thread.run_sync(place.forget, each.instance)


def _owners(home: Path, service: str) -> Path:
    return home / "targets" / f"{service}.owner.json"


def _owner(home: Path, service: str) -> str | None:
    """Return the target that adopts what Compose has made of a service: the first that changed anything."""
    found = _files.read_json(_owners(home, service))
    return None if found is None else str(found["target"])

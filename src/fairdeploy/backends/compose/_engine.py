"""The Docker Engine: the few questions and orders that are needed, typed, with its errors as ours."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast, final

from fairdeploy.backends.compose._container import COMPOSE, Container
from fairdeploy.errors import BackendError, InvalidInput, MissingDependency
from fairdeploy.health._asyncio import on_asyncio

try:
    import aiodocker
    import aiohttp
except ImportError as error:
    message = f"a Compose backend needs aiodocker ({error}): pip install 'fairdeploy[compose]'"
    raise MissingDependency(message) from error

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from fairdeploy.model.canonical import JSON

__all__ = ["Engine", "Image"]

_UNREACHABLE: Final = 900
"""What aiodocker says where nothing answers."""
_GONE: Final = 404
_SECONDS: Final = 30.0
_STOP_MARGIN: Final = 20.0
_OLDEST: Final = (1, 41)
"""Docker 20.10."""
_TELLING: Final = ("start", "die", "pause", "unpause", "health_status", "destroy")
"""Events that change who can be sent requests."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image as the engine has it.

    Args:
        id: ``sha256:...``, of its content.
        architecture: Such as ``amd64``.
        os: Such as ``linux``.
        ports: TCP ports that it exposes.
        checked: Whether it brings a health check.
    """

    id: str
    architecture: str
    os: str
    ports: tuple[int, ...] = ()
    checked: bool = False


@final
class Engine:
    """A connection to the Docker Engine that ``docker`` itself would speak to.

    Raises:
        BackendError: If there is none.
        InvalidInput: On another event loop than asyncio's.
    """

    def __init__(self) -> None:
        if not on_asyncio():
            raise InvalidInput("a Compose backend needs asyncio: aiodocker knows no other event loop")
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            self._docker = aiodocker.Docker(timeout=timeout)
        except (AssertionError, ValueError, aiodocker.DockerError) as error:
            raise BackendError(
                f"no Docker Engine is found ({error}): start it, or say where it is in DOCKER_HOST"
            ) from error
        except OSError as error:
            raise BackendError(
                f"the certificates in DOCKER_CERT_PATH={os.environ.get('DOCKER_CERT_PATH')!r} cannot be used ({error}): "
                "it is a folder with ca.pem, cert.pem and key.pem"
            ) from error

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._docker.close()

    async def check(self) -> str:
        """Prove that it answers and is new enough; return its architecture.

        Raises:
            BackendError: If not.
        """
        with _told("it"):
            said = await self._docker.version()
        major, _, minor = str(said.get("ApiVersion", "0")).partition(".")
        if (int(major), int(minor or 0)) < _OLDEST:
            raise BackendError(
                f"Docker Engine {said.get('Version')!r} is too old (API {major}.{minor}): install 20.10 or newer"
            )
        return str(said.get("Arch", ""))

    async def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """Return every container with these labels, running or not, oldest first.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        wanted = json.dumps({"label": [f"{key}={value}" for key, value in labels.items()]})
        with _told("the list of containers"):
            listed = await self._docker.containers.list(all=True, filters=wanted)
        found: list[Container] = []

        async def look(name: str) -> None:
            seen = await self.container(name)
            if seen is not None:
                found.append(seen)

        async with anyio.create_task_group() as group:
            for each in listed:
                group.start_soon(look, str(each.id))
        return tuple(sorted(found, key=lambda one: (one.created, one.number, one.id)))

    async def container(self, name: str) -> Container | None:
        """Return a container by its id or name, or ``None`` if there is none.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        with _told(f"container {name!r}"):
            try:
                shown = await self._docker.containers.container(name).show()
            except aiodocker.DockerError as error:
                if error.status == _GONE:
                    return None
                raise
            return Container.of(cast("dict[str, JSON]", shown))

    async def stop(self, container: Container) -> None:
        """Ask it to end by its own signal, wait for its own grace, kill, and remove it. Gone already: nothing to do.

        Raises:
            BackendError: If the engine cannot.
        """
        await self.halt(container)
        with _told(f"removing container {container.name!r}"):
            try:
                await self._docker.containers.container(container.id).delete(force=True, v=True)
            except aiodocker.DockerError as error:
                if error.status != _GONE and "already in progress" not in error.message:
                    raise

    async def halt(self, container: Container) -> None:
        """Ask it to end by its own signal, wait for its own grace, kill; it stays. Gone already: nothing to do.

        Raises:
            BackendError: If the engine cannot.
        """
        limit = aiohttp.ClientTimeout(total=container.grace_s + _STOP_MARGIN)
        with _told(f"stopping container {container.name!r}"):
            try:
                await self._docker.containers.container(container.id).stop(timeout=limit)
            except aiodocker.DockerError as error:
                if error.status != _GONE:
                    raise

    async def stop_all(self, containers: Iterable[Container]) -> None:
        """Stop and remove several at once.

        Raises:
            BackendError: If the engine cannot; the others are stopped all the same.
        """
        await self._each(self.stop, containers)

    async def halt_all(self, containers: Iterable[Container]) -> None:
        """Stop several at once, and keep them.

        Raises:
            BackendError: If the engine cannot; the others are stopped all the same.
        """
        await self._each(self.halt, containers)

    async def _each(
        self, act: Callable[[Container], Awaitable[None]], containers: Iterable[Container]
    ) -> None:
        errors: list[BackendError] = []

        async def one(container: Container) -> None:
            try:
                await act(container)
            except BackendError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for each in containers:
                group.start_soon(one, each)
        if errors:
            raise errors[0]

    async def kill(self, container: Container) -> None:
        """Kill what hangs; its restart policy starts it again, or this does.

        Raises:
            BackendError: If the engine cannot.
        """
        with _told(f"restarting container {container.name!r}"):
            await self._docker.containers.container(container.id).restart(t=0)

    async def said(self, container: Container, lines: int) -> tuple[str, ...]:
        """Return the last lines of a container, oldest first.

        Raises:
            BackendError: If the engine cannot tell, as with some logging drivers.
        """
        if lines < 1:
            return ()
        with _told(f"the log of container {container.name!r}"):
            one = self._docker.containers.container(container.id)
            parts = await one.log(stdout=True, stderr=True, tail=lines)
        return tuple("".join(parts).splitlines()[-lines:])

    async def follow(self, project: str, changed: Callable[[], None]) -> None:
        """Say whenever a container of a Compose project starts, ends or changes its health, until the engine breaks off.

        What happens while it does not tell is told by nobody.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        wanted = {"type": ["container"], "label": [f"{COMPOSE}project={project}"], "event": list(_TELLING)}
        heard = self._docker.events.subscribe(create_task=False)  # type: ignore[no-untyped-call]  # aiodocker says no types there
        errors: list[BackendError] = []

        async def listen() -> None:  # at its end, however it ends, None is heard
            try:
                with _told("what happens"):
                    await self._docker.events.run(filters=json.dumps(wanted))
            except BackendError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            while await heard.get() is not None:
                changed()
        if errors:
            raise errors[0]

    async def image(self, name: str) -> Image | None:
        """Return an image by its name or id, or ``None`` if the engine does not have it.

        Raises:
            BackendError: If the engine cannot be asked.
        """
        with _told(f"image {name!r}"):
            try:
                shown = await self._docker.images.inspect(name)
            except aiodocker.DockerError as error:
                if error.status == _GONE:
                    return None
                raise
        config = shown.get("Config") or {}
        ports = (str(each).partition("/") for each in config.get("ExposedPorts") or {})
        return Image(
            id=str(shown["Id"]),
            architecture=str(shown.get("Architecture", "")),
            os=str(shown.get("Os", "")),
            ports=tuple(sorted(int(port) for port, _, kind in ports if kind in {"", "tcp"})),
            checked=bool(config.get("Healthcheck")),
        )

    async def pull(self, name: str) -> str:
        """Fetch an image; return why that failed, or an empty text."""
        try:
            with _told(f"pulling image {name!r}"):
                await self._docker.images.pull(name)
        except BackendError as error:
            return str(error)
        return ""


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Raise what goes wrong as ours.

    Raises:
        BackendError: For whatever aiodocker and aiohttp raise.
    """
    say = partial(BackendError)
    try:
        yield
    except aiodocker.DockerError as error:
        if error.status != _UNREACHABLE:
            raise say(f"Docker Engine refuses {what}: {error.message}") from error
        if "Permission denied" in error.message:
            raise say(
                "this user may not speak to the Docker Engine: join the group 'docker' (which is as good as root), or use sudo"
            ) from error
        raise say(
            f"the Docker Engine does not answer ({error.message}): what runs goes on; start it, or mend DOCKER_HOST"
        ) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise say(f"the Docker Engine broke off over {what} ({type(error).__name__}): ask again") from error

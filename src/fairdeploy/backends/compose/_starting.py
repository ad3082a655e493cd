"""What is settled before the first container of a revision is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

from fairdeploy.backends.compose._override import CONFIG, filled, override, probes, variable
from fairdeploy.backends.compose._place import Record
from fairdeploy.errors import StartError, Unbound
from fairdeploy.host import _files
from fairdeploy.model import SecretRef

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairdeploy.backends.compose._container import Container
    from fairdeploy.backends.compose._engine import Engine, Image
    from fairdeploy.backends.compose._place import Paper, Place
    from fairdeploy.backends.compose._project import Project
    from fairdeploy.compose import Service
    from fairdeploy.model import Release

__all__ = ["image_of", "port_of", "resolved", "settle"]


async def image_of(engine: Engine, release: Release, service: Service, *, pull: bool = False) -> Image:
    """Return the image of a release: its own, else that of the file.

    Raises:
        StartError: If the engine does not have it, and cannot get it.
        BackendError: If the engine cannot be asked.
    """
    name = release.image or service.image
    if not name:
        raise StartError(
            f"service {service.name!r} names no image, and release {release.version!r} neither: build it, and give image='...'"
        )
    found = await engine.image(name)
    why = ""
    if found is None and pull:
        why = await engine.pull(name)
        found = None if why else await engine.image(name)
    if found is None:
        raise StartError(
            f"image {name!r} is not on this Docker Engine{f' and cannot be fetched ({why})' if why else ''}: build or pull it"
        )
    return found


def port_of(project: Project, service: Service, image: Image | None) -> int | None:
    """Return where a service listens in its container: as given, as published, as exposed; ``None``: nobody knows."""
    if project.port is not None:
        return project.port
    published = tuple(dict.fromkeys(port.target for port in service.ports if port.protocol == "tcp"))
    for ports in (published, service.exposed, image.ports if image else ()):
        if ports:
            return ports[0] if len(ports) == 1 else None
    return None


async def settle(
    place: Place,
    paper: Paper,
    release: Release,
    *,
    project: Project,
    service: Service,
    engine: Engine,
    home: str,
) -> Record:
    """Write down what a revision is, once: whoever starts more of it later starts the same.

    Raises:
        StartError: If its image is not there, or a placeholder has no meaning.
        StateError: If the home cannot be written.
    """
    revision = release.revision
    before = paper.records.get(revision)
    if before is not None:
        return before
    image = await image_of(engine, release, service)
    port = port_of(project, service, image)
    text = override(
        release,
        service=service.name,
        image=image.id,
        port=port,
        config=str(place.config(revision)),
        labels={"target": place.target, "revision": revision, "home": home},
    )
    record = Record(
        revision,
        number=max((each.number for each in paper.records.values()), default=0) + 1,
        replicas=0,
        image=image.id,
        port=port if release.serves else None,
        checked=image.checked if service.healthcheck is None else not service.healthcheck.disabled,
        probes=probes(release, port),
        secrets=tuple(sorted(release.secrets)),
    )
    _files.private_folder(place.revision(revision))
    for path, content in release.config.items():
        file = place.config(revision) / path
        _files.make_folder(file.parent)
        _files.write_text(file, filled(content, release, port) if CONFIG in content else content)
    _files.write_text(place.override(revision), text)
    place.write(record)
    return record


def wanted(record: Record, replicas: int) -> Record:
    """Return the record with another number."""
    return replace(record, replicas=replicas)


@final
class Hidden(dict[str, str]):
    """Variables that no `repr` shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide the values."""
        return f"<{len(self)} secrets>"


def resolved(release: Release, running: Iterable[Container]) -> dict[str, str]:
    """Return the secrets of a release as Compose is given them: as they are now, else as its containers have them.

    Raises:
        Unbound: If one is found nowhere.
    """
    found = Hidden()
    there = tuple(running)
    for name, secret in release.secrets.items():
        found[variable(name)] = _value(name, secret, there)
    return found


def _value(name: str, secret: SecretRef, running: tuple[Container, ...]) -> str:
    try:
        return secret.resolve()
    except Unbound:
        for each in running:
            if name in each.environment:
                return each.environment[name]
        raise

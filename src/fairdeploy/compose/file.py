"""A compose file, resolved, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import final

from fairdeploy.compose.parts import (
    Attachment,
    Build,
    Config,
    Dependency,
    Grant,
    Healthcheck,
    Limits,
    Mount,
    Network,
    Port,
    Secret,
    Volume,
)
from fairdeploy.errors import InvalidInput

__all__ = ["ComposeFile", "Place", "Service"]


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file.

    Args:
        file: Its path.
        line: From 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        """Return ``file, line n``."""
        return f"{self.file}, line {self.line}"


@final
@dataclass(frozen=True, slots=True)
class Service:
    """One service, with all that was merged, extended and filled in.

    What may hold a secret (environment, command, labels) is kept in memory and left out of ``repr``.

    Args:
        name: Its key in the file.
        image: As written; ``None``: Compose names what it builds.
        build: How it is built, or ``None``.
        command: Overrides the image's; ``None``: the image's own. ``$$`` is ``$`` already.
        entrypoint: Likewise.
        environment: With ``env_file`` merged in; ``None`` where a variable is passed on but not set.
        labels: The service's own.
        ports: Published ports.
        expose: Ports it says it has, such as ``8000`` or ``8000/tcp``.
        mounts: Volumes, binds and tmpfs.
        volumes_from: Services or containers whose volumes it uses.
        networks: Where it is; empty with ``network_mode``.
        network_mode: ``host``, ``none``, ``service:NAME``, ``container:NAME``; ``None``: its networks.
        secrets: What it may read.
        configs: Likewise.
        depends_on: What must be there before.
        healthcheck: Docker's probe, or ``None``: the image's own if it has one.
        profiles: In which it is active; empty: always.
        container_name: A fixed name, or ``None``.
        hostname: A fixed host name, or ``None``.
        replicas: How many containers; ``None``: the file does not say, which is one.
        deploy_mode: ``replicated`` or ``global``.
        restart: ``no``, ``always``, ``on-failure[:n]``, ``unless-stopped``; ``None``: not said, which is ``no``.
        stop_signal: ``None``: the image's, or SIGTERM.
        stop_grace_ms: Until SIGKILL; ``None``: 10 s.
        init: Whether Docker puts an init process before it.
        user: ``None``: the image's.
        limits: What a container may use.
        privileged: Whether it may do anything to the host.
        links: Older names for services.
        devices: Whether it uses devices of the host.
    """

    name: str
    _: KW_ONLY
    image: str | None = None
    build: Build | None = None
    command: tuple[str, ...] | None = field(default=None, repr=False)
    entrypoint: tuple[str, ...] | None = field(default=None, repr=False)
    environment: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[Port, ...] = ()
    expose: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    networks: tuple[Attachment, ...] = ()
    network_mode: str | None = None
    secrets: tuple[Grant, ...] = ()
    configs: tuple[Grant, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    profiles: tuple[str, ...] = ()
    container_name: str | None = None
    hostname: str | None = None
    replicas: int | None = None
    deploy_mode: str = "replicated"
    restart: str | None = None
    stop_signal: str | None = None
    stop_grace_ms: int | None = None
    init: bool = False
    user: str | None = None
    limits: Limits = field(default_factory=Limits)
    privileged: bool = False
    links: tuple[str, ...] = ()
    devices: bool = False

    @property
    def published(self) -> tuple[Port, ...]:
        """The ports with a fixed place on the host: two containers cannot both have them."""
        return tuple(port for port in self.ports if port.published is not None)

    @property
    def exposed(self) -> tuple[int, ...]:
        """The TCP ports that it says it has."""
        said = (each.partition("/") for each in self.expose)
        return tuple(int(port) for port, _, kind in said if kind in {"", "tcp"} and port.isdecimal())

    @property
    def writable(self) -> tuple[Mount, ...]:
        """The mounts with data that outlive a container and can be written to."""
        return tuple(m for m in self.mounts if not m.read_only and m.kind in {"volume", "bind", "cluster"})


@final
@dataclass(frozen=True, slots=True)
class ComposeFile:
    """What ``docker compose`` makes of one or several files: interpolated, merged, extended, included.

    Args:
        name: The project.
        files: Absolute paths that were read, in the order in which they were merged.
        folder: The project's folder, absolute.
        services: By name, those of inactive profiles too.
        volumes: By key.
        networks: By key.
        secrets: By key.
        configs: By key.
        unset: Variables that the files use and nobody has set: they were read as nothing.
        places: Where things stand, by dotted path such as ``services.app.ports``; what was
            extended or included from other files, or merged by an anchor, has none.
    """

    name: str
    _: KW_ONLY
    files: tuple[str, ...]
    folder: str
    services: Mapping[str, Service] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    configs: Mapping[str, Config] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)

    def service(self, name: str) -> Service:
        """Return a service by name.

        Raises:
            InvalidInput: If the file has none of that name.
        """
        try:
            return self.services[name]
        except KeyError:
            raise InvalidInput(
                f"service {name!r} is not in {', '.join(map(repr, self.files))}: "
                f"choose from {sorted(self.services)!r}"
            ) from None

    def place(self, *path: str) -> Place | None:
        """Return where the deepest part of a path stands, that is known of."""
        for end in range(len(path), 0, -1):
            if found := self.places.get(".".join(path[:end])):
                return found
        return None

    def dependents(self, name: str) -> Sequence[str]:
        """Return the services that depend on one, in order of name."""
        return tuple(
            other
            for other in sorted(self.services)
            if any(need.service == name for need in self.services[other].depends_on)
        )

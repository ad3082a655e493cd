"""What a service of a compose file is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import final

__all__ = [
    "Attachment",
    "Build",
    "Config",
    "Dependency",
    "Grant",
    "Healthcheck",
    "Limits",
    "Mount",
    "Network",
    "Port",
    "Secret",
    "Startup",
    "Volume",
]

_NONE: Mapping[str, str] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of the container, perhaps published on the host.

    Args:
        target: In the container.
        published: On the host, a number or a range such as ``"8000-8010"``; ``None``: any free one.
        host_ip: Address on the host; ``None``: all of them.
        protocol: ``tcp`` or ``udp``.
    """

    target: int
    published: str | None = None
    host_ip: str | None = None
    protocol: str = "tcp"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A place in the container's file system that is not the image's.

    Args:
        kind: ``volume``, ``bind``, ``tmpfs``, ``npipe``, ``cluster`` or ``image``.
        target: Path in the container.
        source: Key of a volume, or absolute path on the host; ``None``: an anonymous volume, or memory.
        read_only: Whether the container cannot write to it.
    """

    kind: str
    target: str
    source: str | None = None
    read_only: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A service that must be there before.

    Args:
        service: Which.
        condition: ``service_started``, ``service_healthy`` or ``service_completed_successfully``.
        required: Whether it must be there at all.
        restart: Whether Compose restarts the dependent when it updates this one.
    """

    service: str
    condition: str = "service_started"
    required: bool = True
    restart: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """Docker's own probe. Times in milliseconds; ``None``: Docker's default (30 s, 30 s, 3, 0 s, 5 s).

    Args:
        test: ``("CMD", ...)``, ``("CMD-SHELL", text)``, or empty for the image's own. Not shown: it may hold a secret.
        disabled: Whether the image's check is switched off.
        interval_ms: Between two checks.
        timeout_ms: For one check.
        retries: Failures in a row that make it unhealthy.
        start_period_ms: After the start, in which failures are not counted.
        start_interval_ms: Between checks in that period; needs Engine 25.
    """

    test: tuple[str, ...] = field(default=(), repr=False)
    disabled: bool = False
    interval_ms: int | None = None
    timeout_ms: int | None = None
    retries: int | None = None
    start_period_ms: int | None = None
    start_interval_ms: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """How an image starts, as its Dockerfile says it. ``None``: left to the base image.

    Args:
        entrypoint: As an argument list; in shell form ``("/bin/sh", "-c", text)``.
        command: Likewise.
        entrypoint_shell: Whether the entrypoint is in shell form.
        command_shell: Whether the command is.
        healthcheck: Whether there is one; ``False``: switched off.
        stop_signal: Which signal stops it.
        volumes: Paths that become anonymous volumes.
    """

    entrypoint: tuple[str, ...] | None = field(default=None, repr=False)
    command: tuple[str, ...] | None = field(default=None, repr=False)
    entrypoint_shell: bool = False
    command_shell: bool = False
    healthcheck: bool | None = None
    stop_signal: str | None = None
    volumes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How an image is built.

    Args:
        context: Absolute path, or a URL.
        dockerfile: Its name in the context; ``None``: ``Dockerfile``.
        target: The stage; ``None``: the last one.
        args: Not shown: they may hold secrets.
        startup: What the Dockerfile says of starting; ``None``: it could not be read.
    """

    context: str
    dockerfile: str | None = None
    target: str | None = None
    args: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    startup: Startup | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A secret or config that a service may read.

    Args:
        source: Its key in the file.
        target: Path or name in the container; ``None``: Compose's default.
    """

    source: str
    target: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A network that a service is on.

    Args:
        network: Its key in the file.
        aliases: Further names of the service there.
        address: A fixed address, IPv4 or IPv6; ``None``: any.
    """

    network: str
    aliases: tuple[str, ...] = ()
    address: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one container may use; ``None``: no limit.

    Args:
        cpus: Processors.
        memory: Bytes.
        reserved_memory: Bytes that are kept for it.
        pids: Processes.
    """

    cpus: float | None = None
    memory: int | None = None
    reserved_memory: int | None = None
    pids: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of the project.

    Args:
        name: What Docker calls it.
        external: Whether it is made by somebody else.
        driver: ``None``: local.
    """

    name: str
    external: bool = False
    driver: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network of the project. Arguments as of `Volume`, and ``internal``: without a way out."""

    name: str
    external: bool = False
    driver: str | None = None
    internal: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret of the project: where it comes from, never its value.

    Args:
        name: What Docker calls it.
        file: Absolute path on the host.
        environment: Variable of whoever runs Compose.
        external: Whether it is made by somebody else.
    """

    name: str
    file: str | None = None
    environment: str | None = None
    external: bool = False

    @property
    def injected(self) -> bool:
        """Whether Compose copies it in at the start, so that only Compose can start the container."""
        return self.file is None and self.environment is not None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A config of the project. Arguments as of `Secret`.

    Args:
        name: What Docker calls it.
        file: Absolute path on the host.
        environment: Variable of whoever runs Compose.
        content: The text itself. Not shown: it may hold secrets.
        external: Whether it is made by somebody else.
    """

    name: str
    file: str | None = None
    environment: str | None = None
    content: str | None = field(default=None, repr=False)
    external: bool = False

    @property
    def injected(self) -> bool:
        """Whether Compose copies it in at the start, so that only Compose can start the container."""
        return self.file is None and (self.environment is not None or self.content is not None)

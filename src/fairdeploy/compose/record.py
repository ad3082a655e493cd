"""What ``docker compose config --format json`` prints, as values. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from fairdeploy.compose.file import Service
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

if TYPE_CHECKING:
    from fairdeploy.compose.parts import Startup

__all__ = [
    "by_name",
    "duration_ms",
    "read_config",
    "read_network",
    "read_secret",
    "read_service",
    "read_volume",
]

T = TypeVar("T")
_Record = Mapping[str, object]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNITS_MS: Final = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}


def duration_ms(text: str) -> int:
    """Return a duration as Go writes it (``1m30s``) in whole milliseconds.

    Raises:
        InvalidInput: If it is none.
    """
    parts = _DURATION.findall(text)
    if text == "0" or (parts and "".join(number + unit for number, unit in parts) == text):
        return round(sum(float(number) * _UNITS_MS[unit] for number, unit in parts))
    raise InvalidInput(f"{text!r} is no duration: write it as '10s', '1m30s' or '500ms'")


def by_name(value: object, read: Callable[[_Record], T]) -> Mapping[str, T]:
    """Return the entries of a section, read, in order of name."""
    return MappingProxyType({name: read(_record(each)) for name, each in sorted(_record(value).items())})


def read_volume(record: _Record) -> Volume:
    """Return a volume of the project."""
    return Volume(
        name=str(record.get("name", "")),
        external=bool(record.get("external")),
        driver=_text(record.get("driver")),
    )


def read_network(record: _Record) -> Network:
    """Return a network of the project."""
    return Network(
        name=str(record.get("name", "")),
        external=bool(record.get("external")),
        driver=_text(record.get("driver")),
        internal=bool(record.get("internal")),
    )


def read_secret(record: _Record) -> Secret:
    """Return a secret of the project."""
    return Secret(
        name=str(record.get("name", "")),
        file=_text(record.get("file")),
        environment=_text(record.get("environment")),
        external=bool(record.get("external")),
    )


def read_config(record: _Record) -> Config:
    """Return a config of the project."""
    return Config(
        name=str(record.get("name", "")),
        file=_text(record.get("file")),
        environment=_text(record.get("environment")),
        content=_plain(record.get("content")),
        external=bool(record.get("external")),
    )


def read_service(name: str, record: _Record, startup: Startup | None = None) -> Service:
    """Return a service.

    Args:
        name: Its key.
        record: What Compose prints of it.
        startup: What its Dockerfile says, if it is built.
    """
    deploy = _record(record.get("deploy"))
    return Service(
        name,
        image=_text(record.get("image")),
        build=_build(record.get("build"), startup),
        command=_arguments(record.get("command")),
        entrypoint=_arguments(record.get("entrypoint")),
        environment=_variables(record.get("environment")),
        labels=MappingProxyType(
            {key: _plain(each) or "" for key, each in _record(record.get("labels")).items()}
        ),
        ports=tuple(_port(_record(each)) for each in _list(record.get("ports"))),
        expose=_texts(record.get("expose")),
        mounts=_mounts(record),
        volumes_from=_texts(record.get("volumes_from")),
        networks=_attachments(record.get("networks")),
        network_mode=_text(record.get("network_mode")),
        secrets=_grants(record.get("secrets")),
        configs=_grants(record.get("configs")),
        depends_on=_dependencies(record.get("depends_on")),
        healthcheck=_healthcheck(record.get("healthcheck")),
        profiles=_texts(record.get("profiles")),
        container_name=_text(record.get("container_name")),
        hostname=_text(record.get("hostname")),
        replicas=_number(deploy.get("replicas", record.get("scale"))),
        deploy_mode=_text(deploy.get("mode")) or "replicated",
        restart=_text(record.get("restart")),
        stop_signal=_text(record.get("stop_signal")),
        stop_grace_ms=_duration(record.get("stop_grace_period")),
        init=bool(record.get("init")),
        user=_text(record.get("user")),
        limits=_limits(record, deploy),
        privileged=bool(record.get("privileged")),
        links=_texts(record.get("links")),
        devices=bool(record.get("devices")),
    )


def _build(value: object, startup: Startup | None) -> Build | None:
    if value is None:
        return None
    record = _record(value)
    return Build(
        context=str(record.get("context", "")),
        dockerfile=_text(record.get("dockerfile")),
        target=_text(record.get("target")),
        args=_variables(record.get("args")),
        startup=startup,
    )


def _port(record: _Record) -> Port:
    return Port(
        target=_number(record.get("target")) or 0,
        published=_text(record.get("published")),
        host_ip=_text(record.get("host_ip")),
        protocol=_text(record.get("protocol")) or "tcp",
    )


def _mounts(record: _Record) -> tuple[Mount, ...]:
    listed = [
        Mount(
            kind=str(each.get("type", "volume")),
            target=str(each.get("target", "")),
            source=_text(each.get("source")),
            read_only=bool(each.get("read_only")),
        )
        for each in map(_record, _list(record.get("volumes")))
    ]
    memory = [Mount(kind="tmpfs", target=path.partition(":")[0]) for path in _texts(record.get("tmpfs"))]
    return (*listed, *memory)


def _attachments(value: object) -> tuple[Attachment, ...]:
    found = []
    for network, each in sorted(_record(value).items()):
        record = _record(each)
        address = _text(record.get("ipv4_address")) or _text(record.get("ipv6_address"))
        found.append(Attachment(network=network, aliases=_texts(record.get("aliases")), address=address))
    return tuple(found)


def _grants(value: object) -> tuple[Grant, ...]:
    records = map(_record, _list(value))
    return tuple(
        Grant(source=str(each.get("source", "")), target=_text(each.get("target"))) for each in records
    )


def _dependencies(value: object) -> tuple[Dependency, ...]:
    return tuple(
        Dependency(
            service=service,
            condition=str(record.get("condition", "service_started")),
            required=bool(record.get("required", True)),
            restart=bool(record.get("restart")),
        )
        for service, record in ((name, _record(each)) for name, each in sorted(_record(value).items()))
    )


def _healthcheck(value: object) -> Healthcheck | None:
    if value is None:
        return None
    record = _record(value)
    test = _texts(record.get("test"))
    disabled = bool(record.get("disable")) or test[:1] == ("NONE",)
    return Healthcheck(
        test=() if disabled else test,
        disabled=disabled,
        interval_ms=_duration(record.get("interval")),
        timeout_ms=_duration(record.get("timeout")),
        retries=_number(record.get("retries")),
        start_period_ms=_duration(record.get("start_period")),
        start_interval_ms=_duration(record.get("start_interval")),
    )


def _limits(record: _Record, deploy: _Record) -> Limits:
    resources = _record(deploy.get("resources"))
    limits, reserved = _record(resources.get("limits")), _record(resources.get("reservations"))
    cpus = limits.get("cpus") or record.get("cpus")
    return Limits(
        cpus=float(str(cpus)) if cpus else None,
        memory=_number(limits.get("memory") or record.get("mem_limit")),
        reserved_memory=_number(reserved.get("memory") or record.get("mem_reservation")),
        pids=_number(limits.get("pids") or record.get("pids_limit")),
    )


def _variables(value: object) -> Mapping[str, str | None]:
    return MappingProxyType({key: _plain(each) for key, each in sorted(_record(value).items())})


def _arguments(value: object) -> tuple[str, ...] | None:
    return None if value is None else _texts(value)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_plain(value) or "",)
    return tuple(_plain(each) or "" for each in _list(value))


def _plain(value: object) -> str | None:
    """Return a value as text: Compose doubles each ``$`` that is none of its own."""
    return None if value is None else str(value).replace("$$", "$")


def _text(value: object) -> str | None:
    """Return a text, or ``None`` for nothing."""
    return _plain(value) or None


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


def _duration(value: object) -> int | None:
    return None if value is None else duration_ms(str(value))


def _record(value: object) -> _Record:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"docker compose printed a {type(value).__name__} where a mapping was expected")
    return {str(key): each for key, each in value.items()}


def _list(value: object) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidInput(f"docker compose printed a {type(value).__name__} where a list was expected")
    return value

"""What is wanted of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import final

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.errors import InvalidInput
from fairdeploy.model import TLS, SecretRef, _check

__all__ = ["Admin", "BackupSchedule", "Migrations", "Monitoring", "Server"]

_MAX_PORT = 65_535


@final
@dataclass(frozen=True, slots=True)
class Migrations:
    """The command that brings the schema up to date, run in a container of its own.

    Args:
        service: Whose image and settings it has.
        command: The argument list; no secrets, as everybody can read it.
        deadline: Seconds.

    Raises:
        InvalidInput: If the command is empty or a text.
    """

    service: str
    command: tuple[str, ...]
    _: KW_ONLY
    deadline: float = 600.0

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        _command(self, self.command, "migrations")


@final
@dataclass(frozen=True, slots=True)
class Admin:
    """The first user, made by a command of the application, once.

    Args:
        service: In whose image it runs.
        command: The argument list; no secrets.
        variable: Environment variable in which it is given the password.
        password: Where that is found.
        deadline: Seconds.

    Raises:
        InvalidInput: If the command is empty or the variable no name.
    """

    service: str
    command: tuple[str, ...]
    _: KW_ONLY
    variable: str
    password: SecretRef
    deadline: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        _command(self, self.command, "admin")
        if not self.variable.isidentifier():
            raise InvalidInput(
                f"admin variable {self.variable!r} is no name of a variable: write ADMIN_PASSWORD"
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Prometheus and Grafana as a compose project of their own.

    Args:
        prometheus_image: Its image.
        grafana_image: Its image; ``None``: none.
        scrape: Addresses whose ``/metrics`` are read, by job, such as ``{"app": ("172.17.0.1:8000",)}``.
        address: Of the host where both are published. Others than loopback can be seen by everybody: say so.
        prometheus_port: On the host.
        grafana_port: On the host.

    Raises:
        InvalidInput: If a port is none.
    """

    prometheus_image: str = "prom/prometheus:v3.5.0"
    grafana_image: str | None = "grafana/grafana:12.1.0"
    scrape: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    address: str = "127.0.0.1"
    prometheus_port: int = 9090
    grafana_port: int = 3000

    def __post_init__(self) -> None:
        """Refuse what is no port."""
        for port in (self.prometheus_port, self.grafana_port):
            _check.whole(port, "monitoring port", low=1, high=_MAX_PORT)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSchedule:
    """A backup every night, the first one now, and proved by restoring it.

    Args:
        database: Which.
        folder: Where the archives lie, private to this user.
        hour: UTC, whatever the machine's time zone is.
        minute: Of that hour; where cron does not know ``CRON_TZ`` (Debian's), by the clock of the machine's zone, which
            differs where that is not off by whole hours.
        keep: How many verified ones are kept.
        table: The cron table that is written; its folder must be one that cron reads.

    Raises:
        InvalidInput: If a number is out of range.
    """

    database: DatabaseAddress
    folder: Path
    hour: int = 2
    minute: int = 30
    keep: int = 14
    table: Path | None = None

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        _check.whole(self.hour, "backup hour", low=0, high=23)
        _check.whole(self.minute, "backup minute", low=0, high=59)
        _check.whole(self.keep, "backups kept", low=1)


@final
@dataclass(frozen=True, slots=True)
class Server:
    """A server, as it is wanted.

    Args:
        files: The compose file, or several.
        folder: For what is remembered and what is written beside; private to this user.
        volumes: Docker volumes that hold data, made if missing and never removed unasked.
        ports: TCP ports that the firewall is to let through, each with consent of its own.
        database: ``service:port`` that must answer before anything else is done, or ``None``.
        tls: The certificate for port 443, looked at, not made.
        migrations: Or ``None``.
        admin: Or ``None``.
        monitoring: Or ``None``.
        backup: Or ``None``.
        memory_gb: Less is a warning.
        disk_gb: Free where Docker keeps its data; less is a warning.
        cpus: Fewer is a warning.
        deadline: Seconds until database and services must be well.

    Raises:
        InvalidInput: If a value cannot be right.
    """

    files: tuple[Path, ...]
    _: KW_ONLY
    folder: Path
    volumes: tuple[str, ...] = ("fairdatabase_data", "fairdatabase_backup")
    ports: tuple[int, ...] = (443, 5432)
    database: str | None = "db:5432"
    tls: TLS | None = None
    migrations: Migrations | None = None
    admin: Admin | None = None
    monitoring: Monitoring | None = None
    backup: BackupSchedule | None = None
    memory_gb: float = 8.0
    disk_gb: float = 20.0
    cpus: int = 2
    deadline: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what could not be brought up."""
        if not self.files or isinstance(self.files, str):
            raise InvalidInput(f"files must be the compose files, as a tuple of paths, not {self.files!r}")
        for port in self.ports:
            _check.whole(port, "firewall port", low=1, high=_MAX_PORT)
        for volume in self.volumes:
            _check.name(volume.lower(), "volume")
        if self.database is not None:
            service, _, number = self.database.rpartition(":")
            if not service or not number.isdigit():
                raise InvalidInput(f"database {self.database!r} must be service:port, such as 'db:5432'")


def _command(owner: Migrations | Admin, command: object, what: str) -> None:
    object.__setattr__(owner, "command", _check.strings(command, f"{what} command"))
    if not owner.command:
        raise InvalidInput(f"{what} command is empty: give the program and its arguments as a list")

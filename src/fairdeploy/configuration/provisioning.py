"""What ``[provision]`` of the file says: a server, or a stack in a region, opened to be planned, brought up, taken down."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

from fairdeploy.configuration.values import made, table
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.errors import InvalidInput
from fairdeploy.provision.on_premise import Admin, BackupSchedule, Migrations, Monitoring, OnPremise, Server

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.configuration.file import Configuration
    from fairdeploy.provision.aws import AWSConfig, AWSDeployment

__all__ = ["Ground", "opened_ground"]

_PARTS: Mapping[str, Any] = {  # Any: classes of settings
    "admin": Admin,
    "backup": BackupSchedule,
    "database": DatabaseAddress,
    "migrations": Migrations,
    "monitoring": Monitoring,
}
_PATHS = frozenset({"folder", "programs", "table"})


class Ground(Protocol):
    """What can be brought up. Each verb returns a report that prints itself; plan changes nothing."""

    async def plan(self) -> object:
        """Say what `apply` would do."""
        ...

    async def apply(self, consent: Collection[str]) -> object:
        """Do what is left to do."""
        ...

    async def remove(self, *, data: bool) -> object:
        """Take it down."""
        ...


@asynccontextmanager
async def opened_ground(configuration: Configuration, name: str) -> AsyncGenerator[Ground]:
    """Open what a table below ``[provision]`` describes: a ``kind`` and the settings of `Server` or `AWSConfig`.

    Raises:
        InvalidInput: If there is no such table, or a setting is unknown, missing or wrong.
        MissingDependency: If the extra ``aws`` is needed.
    """
    given = dict(configuration.provision(name))
    where = f"{configuration.file}: provision.{name}"
    match given.pop("kind", None):
        case "on-premise":
            server: Server = made(Server, _found(given, where, configuration.file.absolute().parent), where)
            yield OnPremise(server)
        case "aws":
            from fairdeploy.provision.aws import AWSConfig, AWSDeployment  # noqa: PLC0415 -- of an extra

            config = AWSConfig.read({key: _tuple(each) for key, each in given.items()})
            async with AWSDeployment.open(config.region) as deployment:
                yield _OnAWS(deployment, config)
        case kind:
            raise InvalidInput(f"{where}.kind must be 'aws' or 'on-premise', not {kind!r}")


@final
@dataclass(frozen=True, slots=True)
class _OnAWS:
    """A stack, with the verbs of a `Ground`."""

    deployment: AWSDeployment
    config: AWSConfig

    async def plan(self) -> object:
        return await self.deployment.plan(self.config)

    async def apply(self, consent: Collection[str]) -> object:
        if consent:
            raise InvalidInput(f"a stack asks for no consent to {sorted(consent)!r}: leave out --consent")
        return await self.deployment.deploy_infrastructure(self.config)

    async def remove(self, *, data: bool) -> object:
        if data:
            raise InvalidInput("the database of a stack is removed by hand: leave out --data")
        await self.deployment.remove(self.config.cluster_name)
        return {"removed": self.config.cluster_name}


def _found(value: object, where: str, beside: Path) -> dict[str, object]:
    """Return a table's settings with its parts made; paths are relative to the file."""
    given = dict(table(value, where))
    for key, each in given.items():
        if key in _PARTS and isinstance(each, dict):
            given[key] = made(_PARTS[key], _found(each, f"{where}.{key}", beside), f"{where}.{key}")
        elif key in _PATHS and isinstance(each, str):
            given[key] = beside / each
        elif key == "files" and isinstance(each, list):
            given[key] = tuple(beside / str(file) for file in each)
    return given


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value

"""Which Compose project, and what its files say of a service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from fairdeploy.compose import read_compose
from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from fairdeploy.compose import ComposeFile

__all__ = ["DEFAULTS", "OVERRIDES", "Project", "found_files", "is_ours"]

MARK: Final = "# Written by fairdeploy"
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
DEFAULTS = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A Compose project.

    Args:
        name: Its name; empty for the one that its files, or their folder, give it.
        files: Absolute paths, in the order in which they are merged.
        services: Those that are deployed here.
        profiles: Those that are active.
        env_files: Files of variables for the project's files, instead of ``.env``.
        port: Where the services listen, if it is not to be read from file and image.
        shared: Places in the containers that several copies may write to at once.
        light: Whether HAProxy is its router, not Envoy.
        envoy_image: Of which image containers are made for Envoy; empty: it is a process of this machine.
        persist: Whether what is promoted is written beside the files, for a later ``docker compose up``.
        move_ports: Whether the router takes the ports that the services have published.
        keep_stopped_ms: How long containers that have served are kept stopped before they are removed.
    """

    files: tuple[str, ...]
    services: tuple[str, ...]
    name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    port: int | None = None
    shared: tuple[str, ...] = ()
    persist: bool = False
    move_ports: bool = False
    keep_stopped_ms: int = 0
    light: bool = False
    envoy_image: str = ""

    @property
    def folder(self) -> str:
        """The project's folder: that of its first file."""
        return str(Path(self.files[0]).parent)

    @property
    def persisted(self) -> Path:
        """The file that holds what is promoted: Compose reads it by itself beside a default file."""
        return Path(self.folder) / OVERRIDES[0]

    def words(self, *overrides: str) -> list[str]:
        """Return what ``docker compose`` is told before its command."""
        found = ["--project-directory", self.folder]
        found += ["--project-name", self.name] if self.name else []
        for option, values in (
            ("--file", (*self.files, *overrides)),
            ("--profile", self.profiles),
            ("--env-file", self.env_files),
        ):
            found += [word for value in values for word in (option, value)]
        return found

    async def read(self) -> ComposeFile:
        """Return what the files say. It holds secrets: it is kept in memory, and shown to nobody.

        Raises:
            InvalidInput: If Compose refuses them, with its words and the line; or a service is not there.
            BackendError: If Compose does not work.
            MissingDependency: If there is no Compose.
        """
        read = await read_compose(self.files, project=self.name or None, env_file=self.env_files)
        for service in self.services:
            read.service(service)
        return read


def found_files(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return absolute paths; with the override file that Compose itself would read beside a default one.

    Raises:
        InvalidInput: If one is not there.
    """
    paths = [Path(each).absolute() for each in files]
    for path in paths:
        if not path.is_file():
            raise InvalidInput(f"Compose file {str(path)!r} is not there: give the path of one that is")
    if len(paths) == 1 and paths[0].name in DEFAULTS:
        beside = (paths[0].with_name(name) for name in OVERRIDES)
        paths += [path for path in beside if path.is_file() and not is_ours(path)][:1]
    return tuple(map(str, paths))


def is_ours(path: Path) -> bool:
    """Whether we wrote a file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(MARK)

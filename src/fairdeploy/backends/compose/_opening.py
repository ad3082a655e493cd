"""What is done before a home is used: it is proved to be one, and says which project it is of."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qsl, quote, unquote

from fairdeploy.backends.compose._container import COMPOSE
from fairdeploy.backends.compose._project import DEFAULTS, OVERRIDES, Project, found_files, is_ours
from fairdeploy.errors import InvalidInput, StateError
from fairdeploy.host import _files
from fairdeploy.journal import naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.backends.compose._engine import Engine
    from fairdeploy.model.canonical import JSON
    from fairdeploy.protocols import Journal

__all__ = ["SCHEME", "claim", "given", "journal_of", "named", "uri_of"]

SCHEME: Final = "compose://"
_SCHEMA: Final = 1
_FILE: Final = "compose.json"
_HOME: Final = ".fairdeploy"
_LONGEST_S: Final = 366 * 86_400


def uri_of(home: Path, journal: str | None = None) -> str:
    """Return the URI of a home, and of a journal that is not the home's own."""
    more = "" if journal is None else f"?{naming.JOURNAL}={quote(journal, safe='')}"
    return f"{SCHEME}{quote(str(home))}{more}"


def journal_of(files: object, journal: Journal | None) -> str | None:
    """Return the address of the journal that a URI or its giver names, if it is not the home's own.

    Raises:
        InvalidInput: If they contradict each other, or the URI says something else.
    """
    uri = files if isinstance(files, str) and files.startswith(SCHEME) else ""
    said = dict(parse_qsl(uri.partition("?")[2], keep_blank_values=True))
    told = naming.named(said.pop(naming.JOURNAL, None), journal)
    if said:
        raise InvalidInput(f"a compose:// URI says a home and a journal, and nothing of {sorted(said)!r}")
    return told


def given(
    files: str | Path | Sequence[str | Path],
    service: str | Sequence[str] | None = None,
    home: str | Path | None = None,
    *,
    project: str = "",
    profiles: Sequence[str] = (),
    env_files: Sequence[str | Path] = (),
    port: int | None = None,
    shared: Sequence[str] = (),
    persist: bool = False,
    move_ports: bool = False,
    keep_stopped: float = 0,
    light: bool = False,
    envoy_image: str = "",
) -> tuple[Path, Project | None]:
    """Return the home and the project that is meant; no project where a URI says that the home knows it.

    Raises:
        InvalidInput: If something is missing or not there.
    """
    if isinstance(files, str) and files.startswith(SCHEME):
        return Path(unquote(files.removeprefix(SCHEME).partition("?")[0])).absolute(), None
    several = (files,) if isinstance(files, (str, Path)) else tuple(files)
    services = (service,) if isinstance(service, str) else tuple(service or ())
    if not several or not services or not all(services):
        raise InvalidInput(
            "a Compose backend needs a file and a service: ComposeBackend.open('compose.yaml', service='app')"
        )
    if not 0 <= keep_stopped <= _LONGEST_S:
        raise InvalidInput(
            f"keep_stopped is a time in seconds, up to a year of them, not {keep_stopped!r}: give one, or 0 to keep none"
        )
    if move_ports and light:
        raise InvalidInput(
            "move_ports=True needs Envoy, whose endpoint can be another one later: leave out light=True"
        )
    if envoy_image and light:
        raise InvalidInput(
            f"light=True is HAProxy in the place of Envoy: leave out that or envoy_image={envoy_image!r}"
        )
    wanted = Project(
        files=found_files(tuple(map(str, several))),
        services=services,
        name=project,
        profiles=tuple(profiles),
        env_files=tuple(str(Path(each).absolute()) for each in env_files),
        port=port,
        shared=tuple(shared),
        persist=persist,
        move_ports=move_ports,
        keep_stopped_ms=round(keep_stopped * 1000),
        light=light,
        envoy_image=envoy_image,
    )
    if persist:
        _refuse_unpersistable(wanted)
    return Path(home).absolute() if home is not None else Path(wanted.folder) / _HOME, wanted


def _refuse_unpersistable(project: Project) -> None:
    """Prove that what is promoted can be written where a later ``docker compose up`` reads it.

    Raises:
        InvalidInput: If not.
    """
    first = Path(project.files[0])
    taken = [path for name in OVERRIDES if (path := first.with_name(name)).is_file() and not is_ours(path)]
    if len(project.files) > 1 or first.name not in DEFAULTS or taken:
        raise InvalidInput(
            f"persist=True writes {str(project.persisted)!r}, which Compose reads by itself only beside one file of a "
            f"default name, and which must not be there yet: {[*project.files, *map(str, taken)]!r}"
        )


async def named(wanted: Project, engine: Engine) -> str:
    """Return the project's name, as Compose says; prove that its services' containers are not another project's.

    Raises:
        InvalidInput: If Compose refuses the files, or others were made of other files under the same names.
        BackendError: If the engine cannot be asked.
    """
    name = (await wanted.read()).name
    files = set(map(os.path.realpath, wanted.files))
    for each in await engine.containers({f"{COMPOSE}project": name}):
        of = each.labels.get(f"{COMPOSE}project.config_files", "")
        theirs = set(map(os.path.realpath, filter(None, of.split(","))))
        if each.labels.get(f"{COMPOSE}service") in wanted.services and theirs and not theirs & files:
            raise InvalidInput(
                f"container {each.name!r} of project {name!r} was made of {of!r}, not of {wanted.files[0]!r}: give this "
                "one another name by ComposeBackend.open(project=...), or 'name:' in the file"
            )
    return name


def known(home: Path) -> Project | None:
    """Return the project that a home is of, or ``None`` if it is new. Blocks.

    Raises:
        StateError: If it holds other things, or is of another version.
    """
    found = _files.read_json(home / _FILE)
    if found is None:
        if home.is_dir() and any(home.iterdir()):
            raise StateError(
                f"folder {str(home)!r} holds things that are no deployments: give a new or empty home="
            )
        return None
    if found.get("schema") != _SCHEMA:
        raise StateError(
            f"folder {str(home)!r} is of schema {found.get('schema')!r}, not {_SCHEMA}: use its version"
        )
    said = cast("dict[str, JSON]", found["project"])
    listed = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return Project(**listed)  # type: ignore[arg-type]  # as it was written by `claim`


def claim(home: Path, wanted: Project | None, name: str) -> Project:
    """Make a home of a project, or prove that it is. Blocks: give it a thread.

    Args:
        home: The folder.
        wanted: The project that is meant; ``None``: that of the home.
        name: Its name, as Compose says.

    Raises:
        StateError: If it is another project's.
        InvalidInput: If nothing says which project is meant.
    """
    before = known(home)
    if wanted is None:
        if before is None:
            raise InvalidInput(
                f"folder {str(home)!r} is no home of a Compose backend: open the Compose file once"
            )
        return before
    wanted = replace(wanted, name=name)
    if before is not None and (before.name, before.folder) != (wanted.name, wanted.folder):
        raise StateError(
            f"folder {str(home)!r} is the home of project {before.name!r} in {before.folder!r}, not of {name!r} in "
            f"{wanted.folder!r}: give another home="
        )
    _files.private_folder(home)
    if before != wanted:
        _files.write_json(
            home / _FILE, cast("JSON", {"schema": _SCHEMA, "project": asdict(wanted)}), durable=True
        )
    _files.private_folder(home / "targets")
    return wanted

"""Reading compose files as Docker does: by asking Docker's own Compose."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from fairdeploy.compose.dockerfile import read_startup
from fairdeploy.compose.file import ComposeFile, Place
from fairdeploy.compose.parts import Startup
from fairdeploy.compose.places import find_places
from fairdeploy.compose.record import (
    by_name,
    read_config,
    read_network,
    read_secret,
    read_service,
    read_volume,
)
from fairdeploy.compose.trouble import explained, unset_variables
from fairdeploy.errors import BackendError, InvalidInput, MissingDependency
from fairdeploy.system import run_to_end

__all__ = ["compose_command", "read_compose"]

_DEADLINE_S: Final = 30.0
_LARGEST: Final = 1 << 20
_NAMES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_VARIABLE: Final = "FAIRDEPLOY_COMPOSE_BIN"
_INSTALL: Final = "install Docker's plugin, version 2 (on Debian: apt-get install docker-compose-plugin)"


def compose_command() -> tuple[str, ...]:
    """Return how Compose 2 is called: ``FAIRDEPLOY_COMPOSE_BIN``, ``docker compose``, or ``docker-compose``.

    Raises:
        MissingDependency: If there is neither.
    """
    if own := os.environ.get(_VARIABLE):
        return (own,)
    docker, alone = shutil.which("docker"), shutil.which("docker-compose")
    if docker and (_plugin() or not alone):
        return (docker, "compose")
    if alone:
        return (alone,)
    raise MissingDependency(f"Docker Compose is not installed: {_INSTALL}, or name it in {_VARIABLE}")


def _plugin() -> bool:
    """Tell whether the plugin lies where Docker looks for it."""
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    folders = [
        own,
        *map(
            Path,
            ("/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker"),
        ),
    ]
    return any((folder / "cli-plugins" / "docker-compose").exists() for folder in folders)


async def read_compose(
    files: str | Path | Sequence[str | Path] = ".",
    *,
    project: str | None = None,
    env_file: str | Path | Sequence[str | Path] = (),
    deadline: float = _DEADLINE_S,
) -> ComposeFile:
    """Return a compose file as Docker reads it: interpolated, merged, extended, included, all profiles.

    It asks ``docker compose config``, which needs no running engine. What it prints holds secrets in clear; it is
    kept in memory and shown by nothing. Dockerfiles of what is built are read for how they start.

    Args:
        files: A file, a folder that holds one, or several files that are merged in this order.
        project: The project's name; ``None``: as Compose finds it.
        env_file: One or several, instead of ``.env`` beside the first file.
        deadline: Seconds.

    Raises:
        InvalidInput: If a file is not there, or Compose refuses it: with the line, where that can be told
            (``pip install "fairdeploy[compose]"``), and what to do.
        MissingDependency: If there is no Compose.
        DeadlineExceeded: If it does not answer in time.
        BackendError: If it does not work.
    """
    paths = await anyio.to_thread.run_sync(_found, files)
    texts = await anyio.to_thread.run_sync(_texts, paths)
    argv = [*compose_command()]
    for path in paths:
        argv += ["--file", str(path)]
    argv += ["--project-name", project] if project else []
    several = (env_file,) if isinstance(env_file, (str, Path)) else env_file
    argv += [word for each in several for word in ("--env-file", str(each))]
    status, printed, said = await _asked([*argv, "--profile", "*", "config", "--format", "json"], deadline)
    if status != 0:
        raise _refused(said, texts)
    return await anyio.to_thread.run_sync(_read, printed, said, texts)


async def _asked(argv: Sequence[str], deadline: float) -> tuple[int, bytes, str]:
    try:
        ran = await run_to_end(argv, within=deadline)
    except MissingDependency as exc:
        raise MissingDependency(f"Docker Compose cannot be started: {_INSTALL}") from exc
    return ran.status, ran.output, ran.said


def _refused(said: str, texts: Mapping[str, str]) -> Exception:
    if (
        "is not a docker command" in said
        or "unknown flag: --file" in said
        or "unknown shorthand flag" in said
    ):
        return MissingDependency(f"this Docker has no Compose: {_INSTALL}")
    return InvalidInput(f"the compose file cannot be used: {explained(said, texts)}")


def _found(files: str | Path | Sequence[str | Path]) -> list[Path]:
    listed = [files] if isinstance(files, (str, Path)) else list(files)
    if not listed:
        raise InvalidInput("no compose file is named: give a file, or the folder that holds it")
    return [_one(Path(each).expanduser().absolute()) for each in listed]


def _one(path: Path) -> Path:
    if path.is_dir():
        inside = [path / name for name in _NAMES if (path / name).is_file()]
        if not inside:
            raise InvalidInput(
                f"folder {str(path)!r} holds no compose file: it is expected to be one of {list(_NAMES)!r}"
            )
        return inside[0]
    return path


def _texts(paths: Sequence[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise InvalidInput(
                f"compose file {str(path)!r} cannot be read ({exc.strerror}): give its path"
            ) from exc
        if len(content) > _LARGEST:
            raise InvalidInput(f"compose file {str(path)!r} is larger than 1 MiB: is it one?")
        found[str(path)] = content.decode(errors="replace")
    return found


def _read(printed: bytes, said: str, texts: Mapping[str, str]) -> ComposeFile:
    """Make values of what was printed, and read what lies beside it. Blocks."""
    try:
        record = json.loads(printed)
        services = {
            name: read_service(name, each, _startup(each))
            for name, each in sorted((record.get("services") or {}).items())
        }
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        # Not `from exc`: what was printed holds secrets, and some of these errors quote it.
        what = type(exc).__name__
        raise BackendError(
            f"what docker compose printed cannot be read ({what}): use Compose 2.20 or newer"
        ) from None
    places: dict[str, Place] = {}
    for file, text in texts.items():  # what is merged later counts
        places |= find_places(file, text)
    return ComposeFile(
        str(record.get("name", "")),
        files=tuple(texts),
        folder=str(Path(next(iter(texts))).parent),
        services=services,
        volumes=by_name(record.get("volumes"), read_volume),
        networks=by_name(record.get("networks"), read_network),
        secrets=by_name(record.get("secrets"), read_secret),
        configs=by_name(record.get("configs"), read_config),
        unset=unset_variables(said),
        places=places,
    )


def _startup(record: Mapping[str, object]) -> Startup | None:
    """Return what a Dockerfile says, if it is there. Blocks."""
    build = record.get("build")
    if not isinstance(build, dict):
        return None
    target = build.get("target")
    text = build.get("dockerfile_inline") or _dockerfile(Path(build["context"]), build.get("dockerfile"))
    return read_startup(text, target) if text else None


def _dockerfile(context: Path, name: str | None) -> str | None:
    path = context / (name or "Dockerfile")
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode(errors="replace")
    except OSError:
        return None  # a URL, or not there yet: then nothing is known of how it starts

"""Small files that are whole or not there, in folders that are ours alone."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fairdeploy.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairdeploy.model.canonical import JSON

_MODE = 0o700


def make_folder(path: Path) -> None:
    """Make a folder and what is missing above it, private too: pathlib leaves those as open as the umask says.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        path.mkdir(mode=_MODE, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=_MODE, exist_ok=True)


def private_folder(path: Path) -> Path:
    """Make a folder (and those above it) that only its owner can enter, and return it.

    Raises:
        StateError: If it cannot be made, is not a folder, is somebody else's, or holds things and is open to others.
    """
    try:
        make_folder(path)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise StateError(
                f"folder {str(path)!r} belongs to user {found.st_uid}: give a folder of your own"
            )
        if found.st_mode & ~_MODE & 0o777:
            if any(path.iterdir()):
                raise StateError(f"folder {str(path)!r} is open to others: chmod 700 it, or give a new one")
            path.chmod(_MODE)
    except OSError as error:
        raise StateError(
            f"folder {str(path)!r} cannot be used ({error.strerror}): give a folder that this user can write to"
        ) from error
    return path


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file, whole or not at all, for its owner only; ``durable``: it outlives a loss of power.

    Raises:
        StateError: If it cannot be written.
    """
    part = ""
    try:
        fd, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")  # mode 0600
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
        if durable:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        if part:
            Path(part).unlink(missing_ok=True)
        raise StateError(
            f"file {str(path)!r} cannot be written ({error.strerror}): check the folder's owner, mode and free space"
        ) from error


def write_json(path: Path, value: JSON, *, durable: bool = False) -> None:
    """Write a value as JSON, whole or not at all.

    Raises:
        StateError: If it cannot be written.
    """
    write_text(path, json.dumps(value, sort_keys=True, indent=1), durable=durable)


def read_json(path: Path) -> dict[str, JSON] | None:
    """Read a JSON object, or return ``None`` if the file is not there.

    Raises:
        StateError: If it cannot be read or is damaged.
    """
    try:
        found = _object(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(
            f"file {str(path)!r} cannot be read ({type(error).__name__}): restore or remove it"
        ) from error
    if found is None:
        raise StateError(f"file {str(path)!r} is damaged, it holds no JSON object: restore or remove it")
    return found


def _object(path: Path) -> dict[str, JSON] | None:
    """Return the JSON object in a file, or ``None`` if there is none: a parser's error would hold the text, secrets and all."""
    with suppress(ValueError, RecursionError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return cast("dict[str, JSON]", found) if isinstance(found, dict) else None
    return None


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files; those that are not there are no error.

    Raises:
        StateError: If one cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                f"file {str(path)!r} cannot be removed ({error.strerror}): check its folder"
            ) from error


def remove_folder(path: Path) -> None:
    """Remove a folder and all in it; nothing there is no error.

    Raises:
        StateError: If something cannot be removed.
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StateError(
            f"folder {str(path)!r} cannot be removed ({error.strerror}): check what is in it"
        ) from error

"""What was done once and cannot be seen by looking: one small file, and files written as a whole."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import BackendError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["put", "recall", "remember"]

_FILE: Final = "on-premise.json"


def recall(folder: Path) -> Mapping[str, str]:
    """Return what is remembered. Blocks.

    Raises:
        StateError: If the file cannot be read.
    """
    path = folder / _FILE
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise StateError(
            f"{str(path)!r} cannot be read ({type(exc).__name__}): restore it, or remove it, and what was done "
            "once (the admin user, migrations) is done once more"
        ) from exc
    if not isinstance(known, dict):
        raise StateError(f"{str(path)!r} is not what we wrote: restore it, or remove it")
    return {str(key): str(value) for key, value in known.items()}


def remember(folder: Path, key: str, value: str) -> None:
    """Remember one thing. Blocks.

    Raises:
        BackendError: If it cannot be written.
    """
    put(folder / _FILE, json.dumps({**recall(folder), key: value}, indent=1).encode())


def put(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file as a whole, its folder private. Blocks.

    Raises:
        BackendError: If it cannot be written; the old one is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        draft.replace(path)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise BackendError(
            f"{str(path)!r} cannot be written ({exc.strerror}): see that the disk has room"
        ) from exc

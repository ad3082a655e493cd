"""Which backup in a folder is whose: by the key of the step that asked for it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from fairdeploy.database.backup import Backup, read_backup
from fairdeploy.errors import BackupError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["known", "last_restore", "later", "named", "newest"]


def named(key: str) -> str:
    """Return the id of the backup of a key: the same in every process."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-")[-80:]
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def later(key: str) -> str:
    """Return the key of the backup that is taken once more, when nobody can write any more."""
    return f"{key}:later"


def known(folder: Path, key: str) -> Backup | None:
    """Return the backup of a key, if it was written to its end."""
    name = named(key)
    return read_backup(folder, name) if (folder / f"{name}.json").exists() else None


def newest(folder: Path, key: str) -> Backup:
    """Return the backup of a key to go back to.

    Raises:
        BackupError: If there is none, or it was never proved.
    """
    found = known(folder, later(key))
    if found is None or found.proof != "restored":
        found = read_backup(folder, named(key))
    if found.proof != "restored":
        msg = f"backup {found.id!r} was never proved by restoring it: it is not one to go back to"
        raise BackupError(msg)
    return found


def last_restore(folder: Path, database: str) -> int | None:
    """Return how long restoring the newest proved backup of a database took, in milliseconds."""
    paths = sorted(folder.glob("[!.]*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        try:
            backup = read_backup(folder, path.stem)
        except BackupError:
            continue  # of another version, or another program's
        if backup.database == database and backup.proof == "restored":
            return backup.restore_ms
    return None

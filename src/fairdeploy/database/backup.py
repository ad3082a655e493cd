"""A backup: an archive, what it should hold, and how far that was proved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final, get_args

from fairdeploy.database.fingerprint import Fingerprint
from fairdeploy.errors import BackupError, InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.canonical import canonical

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Backup", "Proof", "read_backup", "sha256_of"]

Proof: TypeAlias = Literal["none", "archive", "restored"]
"""How far a backup was proved. ``none``: it was written. ``archive``: its hash is right and its table of contents can be
read. ``restored``: it was restored, holds the same, and its indexes agree with their tables. Only the last one is one
to go back to."""

_LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a manifest. A database of 100,000 tables has one of some 10 MB."""
_CHUNK: Final = 1024 * 1024


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup of one database, as of one moment.

    Args:
        id: Names the archive, ``<id>.dump``, and the manifest, ``<id>.json``, beside each other.
        database: The name of what was backed up.
        taken_ms: When, in milliseconds since 1970.
        lsn: The position in the server's log.
        fingerprint: What it should hold, seen under the same snapshot.
        dump_ms: How long it took to write.
        size: Of the archive, in bytes.
        sha256: Of the archive.
        proof: See `Proof`.
        restore_ms: How long restoring it took when that was tried; ``None``: it was not. What is promised as the
            time to recover.
    """

    __pydantic_config__ = STRICT

    id: str
    database: str
    taken_ms: int
    lsn: str
    fingerprint: Fingerprint
    dump_ms: int
    size: int = 0
    sha256: str = ""
    proof: Proof = "none"
    restore_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse an id that is no file's name."""
        if not self.id or self.id != Path(self.id).name or self.id.startswith("."):
            msg = f"backup id {self.id!r} must be a plain file name"
            raise InvalidInput(msg)
        if self.proof not in get_args(Proof):
            msg = f"proof must be one of {list(get_args(Proof))!r}, not {self.proof!r}"
            raise InvalidInput(msg)
        _check.whole(self.size, "size", low=0)

    def archive(self, folder: Path) -> Path:
        """Return where the archive is."""
        return folder / f"{self.id}.dump"

    def manifest(self, folder: Path) -> Path:
        """Return where this is written down."""
        return folder / f"{self.id}.json"

    def proved(self, proof: Proof, restore_ms: int | None = None) -> Backup:
        """Return it with what was proved."""
        return replace(self, proof=proof, restore_ms=restore_ms)

    def encoded(self) -> bytes:
        """Return it as the manifest holds it."""
        return canonical(self).encode()


def read_backup(folder: Path, backup_id: str) -> Backup:
    """Return a backup by its id.

    Raises:
        BackupError: If there is none, or its manifest cannot be understood.
    """
    path = folder / f"{Path(backup_id).name}.json"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        msg = f"there is no backup {backup_id!r} in {str(folder)!r} ({error.strerror})"
        raise BackupError(msg) from error
    try:
        if len(content) > _LARGEST:
            raise ValueError
        return _decoder().validate_json(content)
    except ValueError:
        msg = f"manifest {str(path)!r} is not one that this fairdeploy understands: it is damaged, or of another version"
        raise BackupError(msg) from None


def sha256_of(path: Path) -> str:
    """Return the hash of a file. Blocks: give it a thread."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@cache
def _decoder() -> TypeAdapter[Backup]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- 200 ms that only readers pay

    return TypeAdapter(Backup)

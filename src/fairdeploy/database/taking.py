"""Taking a backup: the archive and its fingerprint under one snapshot."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from fairdeploy.database.backup import Backup, sha256_of
from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import FENCE, fingerprint, sequences
from fairdeploy.database.programs import major_of, ran
from fairdeploy.errors import BackupError, FairdeployError

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress

__all__ = ["record", "take_backup"]

_FORMAT: Final = ("--format=custom", "--compress=1")
"""Compression level 1: a quarter of the size in a third of the time of the default, where the processor is the limit."""

_POSITION: Final = """
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text
"""


async def take_backup(address: DatabaseAddress, folder: Path, *, backup_id: str | None = None) -> Backup:
    """Write a backup, and with it what it should hold, both as of one moment. Nobody is kept waiting.

    It is not one to rely on before `verify_backup` has restored it.

    Args:
        address: Of the database. Its user must be able to read everything in it.
        folder: For the archive and its manifest; private to this user, made if missing.
        backup_id: Names both; ``None``: the time and some chance.

    Raises:
        MissingDependency: If ``pg_dump`` is missing, or the extra ``postgres``.
        BackupError: If ``pg_dump`` is older than the server, or the folder cannot be used.
        DatabaseError: If something may not be read, or the disk is full.
    """
    name = backup_id or f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    await anyio.to_thread.run_sync(_made, folder)
    draft = folder / f".{name}.partial"
    try:
        async with connected(address, read_only=True) as connection:
            await _refuse_older(address, int(await connection.fetchval("SHOW server_version_num")) // 10_000)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
                lsn, numbers = str(await connection.fetchval(_POSITION)), await sequences(connection)
                at, began = round(time.time() * 1000), time.monotonic()
                await ran(
                    address,
                    "pg_dump",
                    f"--dbname={address.dsn}",
                    *_FORMAT,
                    f"--exclude-schema={FENCE}",
                    f"--snapshot={snapshot}",
                    f"--file={draft}",
                )
                took = round((time.monotonic() - began) * 1000)
                holds = await fingerprint(address, connection, snapshot=snapshot, at_least=numbers)
        made = Backup(id=name, database=address.name, taken_ms=at, lsn=lsn, fingerprint=holds, dump_ms=took)
        return await anyio.to_thread.run_sync(_kept, folder, draft, made)
    finally:
        draft.unlink(missing_ok=True)


async def _refuse_older(address: DatabaseAddress, server: int) -> None:
    ours = await major_of(address, "pg_dump")
    if ours < server:
        msg = f"pg_dump {ours} cannot back up a server of version {server}: install client programs of version {server} or later"
        raise BackupError(msg)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        msg = f"backup folder {str(folder)!r} cannot be made ({error.strerror}): give one that this user may write to"
        raise BackupError(msg) from error
    if mode & 0o077:
        msg = f"backup folder {str(folder)!r} can be read by others, and a backup holds everything: chmod 700 it"
        raise BackupError(msg)


def _kept(folder: Path, draft: Path, made: Backup) -> Backup:
    draft.chmod(0o600)
    _sync(draft)
    made = replace(made, size=draft.stat().st_size, sha256=sha256_of(draft))
    draft.replace(made.archive(folder))
    record(folder, made)
    return made


def record(folder: Path, backup: Backup) -> None:
    """Write the manifest. Blocks: give it a thread.

    Raises:
        BackupError: If it cannot be written; what it was stays.
    """
    path = backup.manifest(folder)
    draft = path.with_name(f".{path.name}.partial")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(backup.encoded())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        msg = f"manifest {str(path)!r} cannot be written ({error.strerror}): see that the disk has room"
        raise BackupError(msg) from error
    except FairdeployError:
        draft.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

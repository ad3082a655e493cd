"""Restoring beside what is there, and proving it: the database in use is not touched."""

from __future__ import annotations

import hashlib
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from fairdeploy.database.address import MAX_NAME, quoted
from fairdeploy.database.backup import Backup, sha256_of
from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import fingerprint
from fairdeploy.database.programs import ran
from fairdeploy.database.properties import properties_of
from fairdeploy.database.taking import record
from fairdeploy.errors import BackupError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress

__all__ = ["beside", "drop", "restore_beside", "verify_backup"]

_JOBS: Final = 2
_DROP_S: Final = 60.0


def beside(address: DatabaseAddress, word: str, key: str | None = None) -> str:
    """Return a name for a database beside another one: of a key the same in every process, else one that nobody has used."""
    tail = f"_{word}_{secrets.token_hex(4) if key is None else hashlib.sha256(key.encode()).hexdigest()[:10]}"
    return address.name.encode()[: MAX_NAME - len(tail)].decode(errors="ignore") + tail


async def verify_backup(
    address: DatabaseAddress,
    folder: Path,
    backup: Backup,
    *,
    smoke: Callable[[DatabaseAddress], Awaitable[None]] | None = None,
    amcheck: bool = True,
    scratch: str = "",
) -> Backup:
    """Restore a backup into a scratch database, compare, check its indexes, and drop it again.

    Args:
        address: Of the database that it was taken from; its user must be allowed to create databases.
        folder: Where the archive is.
        backup: The backup.
        smoke: A question of yours to the scratch database; raising says that it is no good.
        amcheck: Whether ``pg_amcheck`` is to compare heap and indexes; needs the right to create the extension.
        scratch: Name of the scratch database; one of this name that was left is dropped first. Empty: a new name.

    Returns:
        The backup with what was proved and how long restoring took; its manifest says so too.

    Raises:
        BackupError: If it is not what it should be.
        DatabaseError: If there is no room or right for a scratch database.
    """
    await _read_contents(address, folder, backup)
    name = scratch or beside(address, "verify")
    if scratch:
        await drop(address, scratch)
    async with _scratch(address, name):
        took = await _restored(address.named(name), folder, backup)
        await _compared(address.named(name), backup)
        if amcheck:
            await _checked(address.named(name), backup)
        if smoke is not None:
            await smoke(address.named(name))
    proved = backup.proved("restored", took)
    await anyio.to_thread.run_sync(record, folder, proved)
    return proved


async def restore_beside(address: DatabaseAddress, folder: Path, backup: Backup, name: str) -> int:
    """Restore a backup into a new database that is like the one it was taken from, and compare.

    Owner, rights, settings, locale and comment are copied from the database in use. What else belongs to the server
    and not to a database (roles, replication slots, security labels) is not.

    Args:
        address: Of the database in use.
        folder: Where the archive is.
        backup: The backup.
        name: Of the new database; see `beside`.

    Returns:
        How long it took, in milliseconds.

    Raises:
        BackupError: If the backup is not what it should be; the new database is dropped again.
        DatabaseError: If it cannot be made.
    """
    await _read_contents(address, folder, backup)
    await _create(address, name)
    try:
        took = await _restored(address.named(name), folder, backup)
        await _compared(address.named(name), backup)
    except BaseException:
        await drop(address, name)
        raise
    return took


async def drop(address: DatabaseAddress, name: str) -> None:
    """Drop a database beside the one in use; cancelled, it is dropped all the same.

    Raises:
        DatabaseError: If it cannot be, or is the one in use.
    """
    if name == address.name:
        msg = f"database {name!r} is the one in use: it is never dropped"
        raise DatabaseError(msg)
    with anyio.move_on_after(_DROP_S, shield=True):
        async with connected(address.maintenance) as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


async def _read_contents(address: DatabaseAddress, folder: Path, backup: Backup) -> None:
    """Prove the cheap things first."""
    archive = backup.archive(folder)
    try:
        found = await anyio.to_thread.run_sync(sha256_of, archive)
    except OSError as error:
        msg = f"archive {str(archive)!r} of backup {backup.id!r} cannot be read ({error.strerror})"
        raise BackupError(msg) from error
    if found != backup.sha256:
        msg = f"archive {str(archive)!r} is not the one that backup {backup.id!r} wrote: its hash differs"
        raise BackupError(msg)
    try:
        await ran(address, "pg_restore", "--list", str(archive))
    except DatabaseError as error:
        msg = f"backup {backup.id!r} has no contents that can be read: {error}"
        raise BackupError(msg) from error


@asynccontextmanager
async def _scratch(address: DatabaseAddress, name: str) -> AsyncGenerator[None]:
    await _create(address, name)
    try:
        yield
    finally:
        await drop(address, name)


async def _create(address: DatabaseAddress, name: str) -> None:
    async with connected(address.maintenance) as connection:
        properties = await properties_of(connection, address.name)
        await connection.execute(properties.create(name))
        for statement in properties.apply(name):
            await connection.execute(statement)


async def _restored(address: DatabaseAddress, folder: Path, backup: Backup) -> int:
    began = time.monotonic()
    try:
        await ran(
            address,
            "pg_restore",
            f"--dbname={address.dsn}",
            f"--jobs={_JOBS}",
            "--exit-on-error",
            str(backup.archive(folder)),
        )
    except DatabaseError as error:
        msg = f"backup {backup.id!r} cannot be restored: {error}"
        raise BackupError(msg) from error
    return round((time.monotonic() - began) * 1000)


async def _compared(address: DatabaseAddress, backup: Backup) -> None:
    async with connected(address, read_only=True) as connection:
        held = await fingerprint(address, connection)
    differences = held.differences(backup.fingerprint)
    if differences:
        msg = f"backup {backup.id!r} does not hold what it should: {', '.join(differences[:10])} differ"
        raise BackupError(msg)


async def _checked(address: DatabaseAddress, backup: Backup) -> None:
    try:
        await ran(
            address,
            "pg_amcheck",
            "--install-missing",
            "--heapallindexed",
            "--parent-check",
            "--no-dependent-toast",
            address.dsn,
        )
    except DatabaseError as error:
        msg = f"backup {backup.id!r} could not be checked by pg_amcheck: {error}"
        raise BackupError(msg) from error

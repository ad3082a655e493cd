"""Taking a database back: by its migrations where they lose nothing, by a verified backup where they do not get there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final, get_args

import anyio

from fairdeploy.database.comparing import loss
from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import schema_digest
from fairdeploy.database.rehearsing import rehearse
from fairdeploy.database.restoring import beside, drop, restore_beside, verify_backup
from fairdeploy.database.swapping import freeze, swap, thaw
from fairdeploy.database.taking import take_backup
from fairdeploy.errors import ConsentRequired, DatabaseError, FairdeployError, InvalidInput, RollbackError

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.backup import Backup
    from fairdeploy.model import LossReport
    from fairdeploy.protocols import Migrator

__all__ = ["DatabaseRollback", "OnFailure", "Restored", "Smoke", "database_rollback", "restore_backup"]

OnFailure: TypeAlias = Literal["freeze", "restore"]
"""What follows if the way back breaks half-way and the backup would lose rows: ``freeze`` leaves the database readable
and asks; ``restore`` is consent given beforehand."""
Smoke: TypeAlias = Callable[["DatabaseAddress"], Awaitable[None]]
"""A question of yours to a database; raising says that it is no good."""

_THAW_S: Final = 60.0
_LONG_S: Final = 30
"""Seconds after which a transaction is long: DDL that waits behind it makes everybody else wait behind the DDL."""

_LONG: Final = """
SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => $1)
 ORDER BY xact_start LIMIT 1
"""
_INVALID: Final = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"


@final
@dataclass(frozen=True, slots=True)
class DatabaseRollback:
    """A database that went back by its migrations.

    Args:
        version: Where it is now.
        before: Where it was.
        backup: Taken and proved before; ``None``: it was there already, and nothing was done.
        report: What that took away; ``None``: as above.
    """

    version: str
    _: KW_ONLY
    before: str
    backup: Backup | None = None
    report: LossReport | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A database that was replaced by a backup.

    Args:
        backup: Which one.
        kept: The name under which the one before is kept, to read and to take rows out of; see `export_lost`.
        report: What it has that the one in use has not.
        gap_ms: For how long nobody could connect.
    """

    backup: Backup
    kept: str
    report: LossReport
    gap_ms: float


async def database_rollback(
    address: DatabaseAddress,
    migrator: Migrator,
    version: str,
    *,
    folder: Path,
    accept: str = "",
    on_failure: OnFailure = "freeze",
    smoke: Smoke | None = None,
    amcheck: bool = True,
) -> DatabaseRollback:
    """Take a database back to a version of its schema; if that breaks half-way, put it back as it was.

    Backup; proof of the backup by restoring it; the way back rehearsed on what was restored; only then the database
    itself. What was in use is never overwritten: a backup that has to be restored is restored beside it and swapped in.

    Args:
        address: Of the database in use.
        migrator: What takes it back.
        version: Where to.
        folder: For the backup.
        accept: The digest of the loss that is agreed to, if going back takes rows or values away.
        on_failure: See `OnFailure`.
        smoke: Asked of the copy after the rehearsal, and of the database in the end.
        amcheck: See `verify_backup`.

    Returns:
        Where it is now.

    Raises:
        ConsentRequired: If rows or values would be lost; nothing has changed.
        BackupError: If there is no backup to rely on; nothing has changed.
        DatabaseError: If a long transaction is in the way; nothing has changed.
        RollbackError: If it could not go back: the message says in what state the database is, and what to do.
    """
    if on_failure not in get_args(OnFailure):
        msg = f"on_failure must be one of {list(get_args(OnFailure))!r}, not {on_failure!r}"
        raise InvalidInput(msg)
    before = await migrator.current(address.dsn)
    if before == version:
        return DatabaseRollback(version, before=before)
    await _refuse_long(address)
    backup = await take_backup(address, folder)
    found: list[LossReport] = []

    async def try_it(scratch: DatabaseAddress) -> None:
        try:
            found.append(await rehearse(scratch, migrator, version, database=address.name))
            await _refuse_broken(scratch, migrator, version, smoke)
        except FairdeployError as error:
            msg = f"database {address.name!r} stays at {before!r}, nothing has changed: {error}"
            raise RollbackError(msg) from error

    backup = await verify_backup(address, folder, backup, smoke=try_it, amcheck=amcheck)
    _refuse_loss(found[0], accept)
    schema = await schema_digest(address)
    try:
        await migrator.downgrade(address.dsn, version)
        await _refuse_broken(address, migrator, version, smoke)
    except Exception as error:  # noqa: BLE001 -- whatever a migration or a question raises, the database is put back
        await _put_back(address, folder, backup, schema, on_failure=on_failure, error=error)
    return DatabaseRollback(version, before=before, backup=backup, report=found[0])


async def restore_backup(
    address: DatabaseAddress, folder: Path, backup: Backup, *, accept: str = "", thaw_if_refused: bool = True
) -> Restored:
    """Put a backup in the place of the database in use, which is kept.

    The database is frozen first, so that what would be lost does not grow while it is counted.

    Args:
        address: Of the database in use.
        folder: Where the backup is.
        backup: Which one.
        accept: The digest of the loss that is agreed to; ``"any"``: whatever it is.
        thaw_if_refused: Whether the database may be written again if nobody has agreed.

    Returns:
        What was done, with the name of what is kept.

    Raises:
        ConsentRequired: If something would be lost and that was not agreed to; nothing has changed.
        BackupError: If the backup is not what it should be; nothing has changed.
        DatabaseError: If it cannot be done; the message says what state the database is in.
    """
    await freeze(address)
    name = beside(address, "restored")
    try:
        await restore_beside(address, folder, backup, name)
        report = await loss(address, address.named(name), backup.id)
        if accept != "any":
            _refuse_loss(report, accept)
        kept = beside(address, "kept")
        gap = await swap(address, name, kept)
    except BaseException:
        await drop(address, name)
        if thaw_if_refused:
            with anyio.move_on_after(_THAW_S, shield=True):
                await thaw(address)
        raise
    return Restored(backup=backup, kept=kept, report=report, gap_ms=gap)


def _refuse_loss(report: LossReport, accept: str) -> None:
    if report.nothing or report.digest == accept:
        return
    wrong = f" (the digest given, {accept[:12]!r}..., is of another loss)" if accept else ""
    msg = f"{report}\nnothing has changed{wrong}: agree with accept={report.digest!r}"
    raise ConsentRequired(msg, report)


async def _refuse_long(address: DatabaseAddress) -> None:
    async with connected(address) as connection:
        found = await connection.fetchrow(_LONG, _LONG_S)
    if found is not None:
        msg = (
            f"a transaction on {address.name!r} has been open for {found['seconds']} s (pid {found['pid']}, user "
            f"{found['usename']!r}, application {found['application_name']!r}): a change to the schema would wait behind it, "
            "and everybody else behind that; end it first"
        )
        error = DatabaseError(msg)
        error.retryable = True
        raise error


async def _refuse_broken(
    address: DatabaseAddress, migrator: Migrator, version: str, smoke: Smoke | None
) -> None:
    reached = await migrator.current(address.dsn)
    if reached != version:
        msg = f"database {address.name!r} is at version {reached!r}, not at {version!r}"
        raise DatabaseError(msg)
    async with connected(address, read_only=True) as connection:
        invalid = [row[0] for row in await connection.fetch(_INVALID)]
    if invalid:
        msg = f"database {address.name!r} has indexes that are not valid: {invalid[:5]!r}"
        raise DatabaseError(msg)
    if smoke is not None:
        await smoke(address)


async def _put_back(
    address: DatabaseAddress,
    folder: Path,
    backup: Backup,
    schema: str,
    *,
    on_failure: OnFailure,
    error: Exception,
) -> None:
    """Say that the schema is as it was, or restore it; raise in either case."""
    failed = f"taking database {address.name!r} back failed ({error})"
    if await schema_digest(address) == schema:
        msg = f"{failed}; its schema is as it was, and nothing was restored"
        raise RollbackError(msg) from error
    try:
        done = await restore_backup(
            address,
            folder,
            backup,
            accept="any" if on_failure == "restore" else "",
            thaw_if_refused=False,
        )
    except ConsentRequired as refused:
        msg = (
            f"{failed}, half-way; the database is frozen: it can be read, not written. {refused.report}\n"
            f"restore_backup(..., accept={refused.report.digest!r}) goes back to backup {backup.id!r}; "
            "thaw(...) leaves it as it is"
        )
        raise RollbackError(msg) from error
    except FairdeployError as second:
        msg = f"{failed}, half-way; the database is frozen, and backup {backup.id!r} could not be restored either: {second}"
        raise RollbackError(msg) from error
    msg = f"{failed}; backup {backup.id!r} was put in its place, and what was there is kept as {done.kept!r}. {done.report}"
    raise RollbackError(msg) from error

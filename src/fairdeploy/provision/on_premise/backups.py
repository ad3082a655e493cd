"""A backup now, proved by restoring it, and one every night."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from fairdeploy.database.backup import read_backup
from fairdeploy.database.restoring import verify_backup
from fairdeploy.database.taking import take_backup
from fairdeploy.errors import BackupError
from fairdeploy.provision.on_premise.memory import put
from fairdeploy.provision.on_premise.step import Seen, Step

if TYPE_CHECKING:
    from fairdeploy.database.backup import Backup
    from fairdeploy.provision.on_premise.wanted import BackupSchedule

__all__ = ["backup_now", "backup_steps", "prune", "unschedule"]

_CRON: Final = Path("/etc/cron.d")
_SETTINGS: Final = "backup-settings.json"


def backup_steps(wanted: BackupSchedule, project: str) -> list[Step]:
    """Return the steps: a first backup that can be relied on, then the schedule."""

    async def look_first() -> Seen:
        proved = await anyio.to_thread.run_sync(_proved, wanted.folder)
        if proved:
            return Seen(done=True, says=f"{len(proved)} verified backups, the last one is {proved[-1].id!r}")
        return Seen(done=False, says="there is no verified backup")

    async def first() -> None:
        await backup_now(wanted)

    async def look_schedule() -> Seen:
        table, settings = _table(wanted, project), wanted.folder / _SETTINGS
        same = await anyio.to_thread.run_sync(
            lambda: _is(table, _line(wanted)) and _is(settings, _settings(wanted))
        )
        when = f"every night at {wanted.hour:02}:{wanted.minute:02} UTC, by {str(table)!r}"
        remedy = "" if same else "agree by consent={'backup:schedule'}"
        return Seen(done=same, says=f"backups are {'' if same else 'not '}made {when}", remedy=remedy)

    async def schedule() -> None:
        await anyio.to_thread.run_sync(put, wanted.folder / _SETTINGS, _settings(wanted))
        # cron reads tables that root owns and nobody else can write to.
        await anyio.to_thread.run_sync(put, _table(wanted, project), _line(wanted), 0o644)

    return [
        Step(name="backup:first", look=look_first, act=first),
        Step(name="backup:schedule", look=look_schedule, act=schedule, required=False, consent=True),
    ]


async def backup_now(wanted: BackupSchedule) -> Backup:
    """Take a backup, restore it to see that it is one, and let the oldest go.

    Raises:
        BackupError: If it is not what it should be; older ones are kept then.
        DatabaseError: If the database cannot be read.
    """
    taken = await take_backup(wanted.database, wanted.folder)
    proved = await verify_backup(wanted.database, wanted.folder, taken)
    await anyio.to_thread.run_sync(prune, wanted.folder, wanted.keep)
    return proved


def prune(folder: Path, keep: int) -> tuple[str, ...]:
    """Remove the oldest verified backups beyond a number; return their names. Blocks."""
    gone = _proved(folder)[:-keep]
    for backup in gone:
        backup.archive(folder).unlink(missing_ok=True)
        backup.manifest(folder).unlink(missing_ok=True)
    return tuple(backup.id for backup in gone)


async def unschedule(wanted: BackupSchedule, project: str) -> bool:
    """Make no more backups; tell whether any were made. Those that there are stay."""
    table = _table(wanted, project)
    there = await anyio.to_thread.run_sync(table.exists)
    await anyio.to_thread.run_sync(lambda: table.unlink(missing_ok=True))
    return there


def _proved(folder: Path) -> list[Backup]:
    """Return the verified backups in a folder, the oldest first."""
    found = []
    for path in folder.glob("*.dump") if folder.is_dir() else ():
        try:
            backup = read_backup(folder, path.stem)
        except BackupError:
            continue  # an archive without its manifest is not one to count on, nor one to remove
        if backup.proof != "none":
            found.append(backup)
    return sorted(found, key=lambda backup: backup.taken_ms)


def _table(wanted: BackupSchedule, project: str) -> Path:
    return wanted.table or _CRON / f"fairdeploy-{project}"


def _line(wanted: BackupSchedule) -> bytes:
    settings = wanted.folder / _SETTINGS
    log = wanted.folder / "backup.log"
    program = f"{sys.executable} -m fairdeploy.provision.on_premise.nightly"
    # Debian's cron does not know CRON_TZ and goes by the machine's zone: the hour is asked for here.
    other_hour = f'test "$(date -u +\\%H)" != {wanted.hour:02}'
    return (
        "# Made by fairdeploy: a verified backup every night.\nCRON_TZ=UTC\n"
        f"{wanted.minute} * * * * root {other_hour} || {program} {settings} >>{log} 2>&1\n"
    ).encode()


def _settings(wanted: BackupSchedule) -> bytes:
    """Return what the nightly program is told. The password is named, never held."""
    password, programs = wanted.database.password, wanted.database.programs
    return json.dumps(
        {
            "dsn": wanted.database.dsn,
            "password": {"source": password.source, "key": password.key} if password else None,
            "programs": str(programs) if programs else None,
            "keep": wanted.keep,
        },
        indent=1,
    ).encode()


def _is(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False

"""Putting a backup in the place of a database by hand, where there is no journal to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.database.comparing import loss
from fairdeploy.database.refusing import refuse_loss
from fairdeploy.database.restoring import beside, drop, restore_beside
from fairdeploy.database.swapping import freeze, swap, thaw

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.backup import Backup
    from fairdeploy.model import LossReport

__all__ = ["Restored", "restore_backup"]

_THAW_S: Final = 60.0


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
        ConsentRequired: If something would be lost and that was not agreed to; nothing has changed, but that the
            database stays frozen where ``thaw_if_refused`` is false: the message says which.
        BackupError: If the backup is not what it should be; likewise.
        DatabaseError: If it cannot be done; the message says what state the database is in.
    """
    await freeze(address)
    name = beside(address, "restored")
    try:
        await restore_beside(address, folder, backup, name)
        report = await loss(address, address.named(name), f"backup {backup.id!r}")
        refuse_loss(report, accept, frozen=not thaw_if_refused)
        kept = beside(address, "kept")
        gap = await swap(address, name, kept)
    except BaseException:
        await drop(address, name)
        if thaw_if_refused:
            with anyio.move_on_after(_THAW_S, shield=True):
                await thaw(address)
        raise
    return Restored(backup=backup, kept=kept, report=report, gap_ms=gap)

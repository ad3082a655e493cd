"""Snapshots of databases that a provider keeps: the last rung of the way back."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Protocol, final, runtime_checkable

__all__ = ["PointInTime", "Snapshot", "SnapshotProvider"]


@final
@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a whole database.

    Args:
        id: The provider's.
        database: Of which database.
        at_ms: Of which moment, milliseconds since 1970.
        ready: Whether it can be restored.
    """

    id: str
    _: KW_ONLY
    database: str
    at_ms: int
    ready: bool = False


class SnapshotProvider(Protocol):
    """Takes snapshots, and restores them beside what is in use, never over it.

    Every method is level-triggered: asked again with the same names it goes on where it was, and does nothing twice.
    """

    async def snapshot(self, database: str, label: str) -> Snapshot:
        """Take a snapshot, and return it once it can be restored.

        Args:
            database: The provider's name of it.
            label: Names the snapshot: the same label is the same snapshot.

        Raises:
            BackupError: If it cannot be taken.
        """
        ...

    async def snapshots(self, database: str) -> tuple[Snapshot, ...]:
        """Return what there is, oldest first.

        Raises:
            DatabaseError: If it cannot be told.
        """
        ...

    async def restore(self, snapshot: Snapshot, name: str) -> str:
        """Restore a snapshot as a new database beside, and return where it can be reached: a DSN without a password.

        Raises:
            BackupError: If it cannot be restored; what was begun is removed by `remove`.
        """
        ...

    async def switch(self, database: str, name: str) -> str:
        """Let what uses a database find a restored one in its place, and return where the one before is kept.

        Raises:
            DatabaseError: If it cannot be done; then the one before is in use.
        """
        ...

    async def remove(self, name: str) -> None:
        """Remove a database that was restored beside and is not in use. One that is not there is no error.

        Raises:
            DatabaseError: If it is in use, or cannot be removed.
        """
        ...


@runtime_checkable
class PointInTime(Protocol):
    """What a `SnapshotProvider` may be as well, if it keeps every moment of some days and not only snapshots."""

    async def moment(self, database: str, at_ms: int) -> Snapshot | None:
        """Return what `SnapshotProvider.restore` is given for one moment; ``None`` if that one is not kept.

        Args:
            database: The provider's name of it.
            at_ms: The moment, milliseconds since 1970.

        Raises:
            DatabaseError: If it cannot be told.
        """
        ...

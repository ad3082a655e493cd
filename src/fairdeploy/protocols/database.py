"""A database whose schema moves with an application."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fairdeploy.model import BackupProof, DatabaseSeen, TargetId
from fairdeploy.protocols.lease import Fence
from fairdeploy.protocols.snapshots import Snapshot

__all__ = ["Database", "Snapshotted"]


class Database(Protocol):
    """A database, with what migrates it, as the steps of a plan act on it.

    Every effect is level-triggered: called again, with the same key, it goes on where it was, and does nothing when
    all is done. It returns when it has come about. Cancelled, it ends what it had begun, or leaves it so that the next
    call finds it. The fence is kept in the database itself: an effect under an epoch older than one already seen
    there for the target raises `Fenced`, and what an older holder has still under way there is ended first.
    """

    def configuration(self) -> str:
        """Return what configures it, without secrets: the same text in every process that means the same database.

        A plan records its hash: whoever goes on with the plan must have been given the same.
        """
        ...

    async def observe(self) -> DatabaseSeen:
        """Return what is there now.

        Raises:
            DatabaseError: If it cannot be told.
        """
        ...

    async def claim(self, target: TargetId, fence: Fence) -> None:
        """Make the epoch known, and end what older ones have under way. Changes nothing else.

        Raises:
            Fenced: See the class.
            DatabaseError: If it cannot be told.
        """
        ...

    async def backup(self, target: TargetId, fence: Fence) -> BackupProof:
        """Take a backup under the fence's key, and prove it by restoring it beside.

        Raises:
            BackupError: If it cannot be relied on.
            DatabaseError: If it cannot be taken.
            Fenced: See the class.
        """
        ...

    async def migrate(
        self,
        target: TargetId,
        to: str,
        fence: Fence,
        *,
        back: bool = False,
        backup: str = "",
        accept: str = "",
    ) -> None:
        """Take the schema to a version.

        Args:
            target: For whose sake.
            to: The version.
            fence: See the class.
            back: Whether that is the way back. It is tried on a restored copy first, and refused if it would lose
                rows or values that nobody has agreed to lose. From then on nobody else can write, until it got there:
                what was written between the backup and now is known to a backup too. Where it fails, the database
                stays frozen.
            backup: The key of the backup whose copy it is tried on; empty: one is taken under the fence's key.
            accept: The digest of the loss that is agreed to; ``"any"``: whatever it is.

        Raises:
            ConsentRequired: If the way back would lose something; nothing has changed.
            DatabaseError: If it does not get there. Then the schema is as it was, at a version in between, or, where
                a migration commits in the middle, half-way: `observe` tells by the schema's hash.
            Fenced: See the class.
        """
        ...

    async def freeze(self, target: TargetId, fence: Fence, *, frozen: bool) -> None:
        """Let the database be read only, or written again.

        Raises:
            DatabaseError: If it cannot be.
            Fenced: See the class.
        """
        ...

    async def restore(self, target: TargetId, backup: str, fence: Fence, *, accept: str = "") -> str:
        """Put a backup in the place of the database in use, which is kept beside.

        It is frozen while the loss is counted, and stays so if nobody has agreed to it.

        Args:
            target: For whose sake.
            backup: The key under which it was taken.
            fence: See the class.
            accept: The digest of the loss that is agreed to; ``"any"``: whatever it is.

        Returns:
            What is to be told: where the one before is kept, and what only that one has.

        Raises:
            ConsentRequired: If something would be lost; the database in use is frozen, and else as it was.
            BackupError: If the backup is not what it should be.
            DatabaseError: If it cannot be done.
            Fenced: See the class.
        """
        ...


@runtime_checkable
class Snapshotted(Protocol):
    """What a `Database` may be as well, if somebody keeps snapshots of it: the last rung of the way back."""

    async def snapshot_before(self, at_ms: int) -> Snapshot | None:
        """Return the newest snapshot from before a moment that can be restored; ``None`` if there is none.

        Args:
            at_ms: The moment, milliseconds since 1970.

        Raises:
            DatabaseError: If it cannot be told.
        """
        ...

    async def restore_snapshot(
        self, target: TargetId, snapshot: str, fence: Fence, *, to: str, accept: str = ""
    ) -> str:
        """Put a snapshot in the place of the database in use, which is kept; else as `Database.restore`.

        Args:
            target: For whose sake.
            snapshot: Its id.
            fence: See `Database`.
            to: The version of the schema that it must hold.
            accept: The digest of the loss that is agreed to; ``"any"``: whatever it is.

        Raises:
            ConsentRequired: If something would be lost; the database in use is frozen, and else as it was.
            BackupError: If the snapshot cannot be restored, or nobody keeps snapshots.
            DatabaseError: If it holds another version, or it cannot be done.
            Fenced: See `Database`.
        """
        ...

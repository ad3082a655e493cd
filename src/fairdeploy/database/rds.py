"""Snapshots that Amazon RDS keeps of a whole instance, and any moment within its backups. Needs the extra ``aws``."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.aws import code_of
from fairdeploy.errors import BackupError, DatabaseError, InvalidInput
from fairdeploy.protocols import Snapshot

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer

__all__ = ["RDSSnapshots"]

_PAGES: Final = ("Marker", "Marker")
_BESIDE: Final = "fairdeploy:beside"
_MOMENT: Final = "@"
_LIKE: Final = ("DBInstanceClass", "MultiAZ", "PubliclyAccessible", "CopyTagsToSnapshot")
"""What a restored instance has from the one in use; RDS itself takes the rest from the backup."""
_HOPELESS: Final = frozenset({"failed", "incompatible-restore", "incompatible-parameters", "restore-error"})


@final
@dataclass(frozen=True, slots=True)
class RDSSnapshots:
    """A `fairdeploy.protocols.SnapshotProvider`: an instance of RDS, restored as a new one beside it.

    A switch renames both instances, so that the one restored has the name, and with it the address, that programs
    know. Open connections break, and names take some minutes to move: who uses it must connect again.

    Args:
        aws: The region.
        database: Identifier of the instance in use.
        deadline: Seconds that one snapshot, restore or rename may take.
        poll: Seconds between two looks.
    """

    aws: AWS
    database: str
    _: KW_ONLY
    deadline: float = 3_600.0
    poll: float = 10.0
    _rds: AWS = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Have errors said as a database's."""
        object.__setattr__(self, "_rds", self.aws.raising(DatabaseError))

    def moment(self, at: datetime) -> Snapshot:
        """Return a moment within the instance's backups as a snapshot: restored by point-in-time recovery.

        Args:
            at: With its zone; RDS can restore until about five minutes ago.

        Raises:
            InvalidInput: If it has no zone.
        """
        if at.tzinfo is None:
            msg = f"{at!r} has no time zone: give one, such as datetime.now(UTC)"
            raise InvalidInput(msg)
        at_ms = round(at.timestamp() * 1000)
        return Snapshot(f"{self.database}{_MOMENT}{at_ms}", database=self.database, at_ms=at_ms, ready=True)

    async def snapshot(self, database: str, label: str) -> Snapshot:
        """See `SnapshotProvider.snapshot`.

        Raises:
            BackupError: If it cannot be taken.
            InvalidInput: If the database is another one.
        """
        self._ours(database)
        name = f"{database}-{sha256(label.encode()).hexdigest()[:16]}"
        try:
            if await self._snapshot(name) is None:
                tags = [{"Key": "fairdeploy:label", "Value": label[:256]}]
                await self._rds.call(
                    "rds",
                    "create_db_snapshot",
                    DBSnapshotIdentifier=name,
                    DBInstanceIdentifier=database,
                    Tags=tags,
                )
            return _told(await self._until(name, what="snapshot"))
        except DatabaseError as error:
            raise BackupError(f"no snapshot {label!r} of instance {database!r}: {error}") from error

    async def snapshots(self, database: str) -> tuple[Snapshot, ...]:
        """See `SnapshotProvider.snapshots`: those that were taken, and not what RDS takes each night.

        Raises:
            DatabaseError: If it cannot be told.
        """
        found = await self._rds.pages(
            "rds",
            "describe_db_snapshots",
            "DBSnapshots",
            token=_PAGES,
            DBInstanceIdentifier=database,
            SnapshotType="manual",
        )
        return tuple(sorted((_told(each) for each in found), key=lambda each: each.at_ms))

    async def restore(self, snapshot: Snapshot, name: str) -> str:
        """See `SnapshotProvider.restore`. It may also be a `moment`.

        Raises:
            BackupError: If it cannot be restored.
            InvalidInput: If the name is that of the instance in use.
        """
        new = _identifier(name)
        if new == self.database:
            msg = f"a snapshot is restored beside instance {name!r}, never over it: give another name"
            raise InvalidInput(msg)
        try:
            if await self._instance(new) is None:
                await self._restored(snapshot, new)
            found = await self._until(new, what="instance")
        except DatabaseError as error:
            raise BackupError(f"snapshot {snapshot.id!r} cannot be restored: {error}") from error
        place = found["Endpoint"]
        return f"postgresql://{found['MasterUsername']}@{place['Address']}:{place['Port']}/{found.get('DBName', 'postgres')}"

    async def _restored(self, snapshot: Snapshot, new: str) -> None:
        used = await self._instance(self.database)
        if used is None:
            raise DatabaseError(f"there is no instance {self.database!r} to be like")
        same: Answer = {key: used[key] for key in _LIKE if key in used}
        same["DBSubnetGroupName"] = used.get("DBSubnetGroup", {}).get("DBSubnetGroupName")
        groups = used.get("DBParameterGroups", [])
        same["DBParameterGroupName"] = groups[0]["DBParameterGroupName"] if groups else None
        same["VpcSecurityGroupIds"] = [
            each["VpcSecurityGroupId"] for each in used.get("VpcSecurityGroups", [])
        ] or None
        same["Tags"] = [{"Key": _BESIDE, "Value": self.database}]
        if _MOMENT in snapshot.id:
            await self._rds.call(
                "rds",
                "restore_db_instance_to_point_in_time",
                SourceDBInstanceIdentifier=snapshot.database,
                TargetDBInstanceIdentifier=new,
                RestoreTime=datetime.fromtimestamp(snapshot.at_ms / 1000, tz=UTC),
                **same,
            )
            return
        await self._rds.call(
            "rds",
            "restore_db_instance_from_db_snapshot",
            DBInstanceIdentifier=new,
            DBSnapshotIdentifier=snapshot.id,
            **same,
        )

    async def switch(self, database: str, name: str) -> str:
        """See `SnapshotProvider.switch`.

        Raises:
            DatabaseError: If it cannot be done; then the one before is in use.
            InvalidInput: If the database is another one.
        """
        self._ours(database)
        new = _identifier(name)
        kept = f"{database}-kept-{sha256(new.encode()).hexdigest()[:8]}"
        if await self._instance(kept) is None:
            if await self._instance(new) is None:
                raise DatabaseError(f"no instance {new!r} was restored beside {database!r}: restore it first")
            await self._renamed(database, kept)
        if await self._instance(database) is None:
            try:
                await self._renamed(new, database)
            except DatabaseError:
                with anyio.CancelScope(shield=True), anyio.move_on_after(self.deadline):
                    await self._renamed(kept, database)
                raise
        return kept

    async def _renamed(self, old: str, new: str) -> None:
        await self._rds.call(
            "rds",
            "modify_db_instance",
            DBInstanceIdentifier=old,
            NewDBInstanceIdentifier=new,
            ApplyImmediately=True,
        )
        await self._until(new, what="instance")

    async def remove(self, name: str) -> None:
        """See `SnapshotProvider.remove`: only what was restored beside, without a last snapshot.

        Raises:
            DatabaseError: If it is in use, or cannot be removed.
        """
        gone = _identifier(name)
        found = await self._instance(gone)
        if found is None:
            return
        tags = {each["Key"]: each["Value"] for each in found.get("TagList", [])}
        if gone == self.database or tags.get(_BESIDE) != self.database:
            raise DatabaseError(
                f"instance {gone!r} was not restored beside {self.database!r}, or is in use: it stays"
            )
        await self._rds.call("rds", "delete_db_instance", DBInstanceIdentifier=gone, SkipFinalSnapshot=True)

    async def _instance(self, name: str) -> Answer | None:
        return await self._found(
            "describe_db_instances", "DBInstances", "DBInstanceNotFound", DBInstanceIdentifier=name
        )

    async def _snapshot(self, name: str) -> Answer | None:
        return await self._found(
            "describe_db_snapshots", "DBSnapshots", "DBSnapshotNotFound", DBSnapshotIdentifier=name
        )

    async def _found(self, operation: str, part: str, missing: str, **of: str) -> Answer | None:
        try:
            answer = await self._rds.call("rds", operation, **of)
        except DatabaseError as error:
            if code_of(error).startswith(missing):
                return None
            raise
        found: Answer | None = next(iter(answer[part]), None)
        return found

    async def _until(self, name: str, *, what: str) -> Answer:
        """Wait until a snapshot or an instance can be used."""
        look, key = (self._snapshot, "Status") if what == "snapshot" else (self._instance, "DBInstanceStatus")
        status = "not there"
        with anyio.move_on_after(self.deadline):
            while True:
                found = await look(name)
                status = status if found is None else str(found[key])
                if found is not None and status == "available":
                    return found
                if status in _HOPELESS:
                    break
                await anyio.sleep(self.poll)
        error = DatabaseError(
            f"{what} {name!r} is {status!r}, not available within {self.deadline:g} s: see its events in RDS"
        )
        error.retryable = False
        raise error

    def _ours(self, database: str) -> None:
        if database != self.database:
            msg = f"these are snapshots of instance {self.database!r}, and not of {database!r}"
            raise InvalidInput(msg)


def _identifier(name: str) -> str:
    """Return a name as RDS takes it: small letters, digits and hyphens."""
    return name.lower().replace("_", "-")


def _told(found: Answer) -> Snapshot:
    at: datetime | None = found.get("SnapshotCreateTime")
    return Snapshot(
        str(found["DBSnapshotIdentifier"]),
        database=str(found["DBInstanceIdentifier"]),
        at_ms=round(at.timestamp() * 1000) if at else 0,
        ready=found["Status"] == "available",
    )

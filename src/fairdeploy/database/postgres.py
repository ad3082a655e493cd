"""A PostgreSQL database as the steps of a plan act on it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Final, final

import anyio
import anyio.to_thread

from fairdeploy.database.address import DatabaseAddress, quoted
from fairdeploy.database.comparing import loss
from fairdeploy.database.connection import connected
from fairdeploy.database.fencing import (
    admitted,
    arrived,
    carried_over,
    end_tools,
    marked,
    note,
    raise_fence,
)
from fairdeploy.database.fingerprint import fingerprint, schema_digest
from fairdeploy.database.properties import FROZEN
from fairdeploy.database.refusing import Smoke, refuse_broken, refuse_long, refuse_loss
from fairdeploy.database.rehearsing import rehearse
from fairdeploy.database.restoring import beside, drop, restore_beside, verify_backup
from fairdeploy.database.shelf import known, last_restore, later, named, newest
from fairdeploy.database.swapping import end_sessions, frozen, reopen, swap
from fairdeploy.database.taking import take_backup
from fairdeploy.errors import BackupError, FairdeployError
from fairdeploy.model import BackupProof, DatabaseSeen
from fairdeploy.protocols import Fence, Migrator, PointInTime, Snapshot, SnapshotProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from fairdeploy.database.backup import Backup
    from fairdeploy.model import LossReport, TargetId

__all__ = ["PostgresDatabase"]

_CLEAN_S: Final = 30.0
"""Seconds for ending what a tool has left, when it failed or was cancelled."""

_SESSIONS: Final = """
SELECT application_name, count(*) FROM pg_stat_activity
 WHERE datname = $1 AND backend_type = 'client backend' AND NOT starts_with(application_name, 'fairdeploy') GROUP BY 1
"""
_NAMES: Final = "SELECT datname FROM pg_database WHERE datname = ANY ($1)"


@final
@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A `fairdeploy.protocols.Database`: give it to ``Deployer(databases={"shop": ...})``.

    Its fence is a table in a schema of its own, ``fairdeploy_fence``, which is no part of what is backed up or compared.
    The user must be allowed to create a schema in the database and databases beside it, and own the database.

    Args:
        address: Of the database.
        migrator: What migrates it.
        folder: For backups, private to this user. Every program that is to restore them must see the same folder.
        smoke: A question of yours, asked of restored copies and after each migration.
        amcheck: Whether a backup's proof compares heap and indexes; see `verify_backup`.
        snapshots: Who keeps snapshots of it, the last rung of the way back; ``None``: nobody.
        known_as: The name by which that one knows the database; empty: its own.
    """

    address: DatabaseAddress
    migrator: Migrator
    _: KW_ONLY
    folder: Path
    smoke: Smoke | None = None
    amcheck: bool = True
    snapshots: SnapshotProvider | None = None
    known_as: str = ""

    def configuration(self) -> str:
        """See `Database.configuration`."""
        tool = f"{type(self.migrator).__name__} {sorted(self.migrator.own_tables)}"
        return f"postgresql {self.address.dsn} by {tool}, backups in {self.folder}"

    async def observe(self) -> DatabaseSeen:
        """See `Database.observe`.

        Raises:
            DatabaseError: If it cannot be told.
        """
        # First, as it tells a server that is away for the moment from a tool that fails.
        is_frozen = await frozen(self.address)
        return DatabaseSeen(
            version=await self.migrator.current(self.address.dsn),
            schema=await schema_digest(self.address),
            frozen=is_frozen,
            sessions=await self._sessions(),
            restore_ms=await anyio.to_thread.run_sync(last_restore, self.folder, self.address.name),
        )

    async def _sessions(self) -> Mapping[str, int]:
        async with connected(self.address.maintenance, read_only=True) as connection:
            rows = await connection.fetch(_SESSIONS, self.address.name)
        return {row["application_name"]: row["count"] for row in rows}

    async def claim(self, target: TargetId, fence: Fence) -> None:
        """See `Database.claim`.

        Raises:
            Fenced: If a newer epoch is known.
            DatabaseError: If it cannot be told.
        """
        await reopen(self.address)
        await raise_fence(self.address, target, fence)

    async def backup(self, target: TargetId, fence: Fence) -> BackupProof:
        """See `Database.backup`.

        Raises:
            BackupError: If it cannot be relied on.
            DatabaseError: If it cannot be taken.
            Fenced: If a newer epoch is known.
        """
        await raise_fence(self.address, target, fence)
        return _proof(await self._proved(target, fence.key, self.smoke))

    async def _proved(self, target: TargetId, key: str, smoke: Smoke | None) -> Backup:
        """Take the backup of a key, if there is none, and prove it, if it is not."""
        found = await anyio.to_thread.run_sync(known, self.folder, key)
        if found is None:
            found = await take_backup(self.address, self.folder, backup_id=named(key))
        elif found.proof == "restored" and smoke is self.smoke:
            return found
        scratch = beside(self.address, "verify", target)
        return await verify_backup(
            self.address, self.folder, found, smoke=smoke, amcheck=self.amcheck, scratch=scratch
        )

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
        """See `Database.migrate`.

        Raises:
            ConsentRequired: If the way back would lose something; nothing has changed.
            DatabaseError: If it does not get there.
            Fenced: If a newer epoch is known.
        """
        await raise_fence(self.address, target, fence)
        if await self.migrator.current(self.address.dsn) != to:
            await refuse_long(self.address)
            if back and not await arrived(self.address, fence.key):
                await self._agreed_as_it_is(target, to, fence, backup or fence.key, accept)
            async with self._tool(target, fence) as dsn:
                if back:
                    await self.migrator.downgrade(dsn, to)
                else:
                    await self.migrator.upgrade(dsn, to)
            await refuse_broken(self.address, self.migrator, to, self.smoke)
        if back:
            await self.freeze(target, fence, frozen=False)

    async def _agreed_as_it_is(self, target: TargetId, to: str, fence: Fence, key: str, accept: str) -> None:
        """Freeze the database once its way back was tried, and try it again if anything was written meanwhile.

        Else what was written between the backup and now could be lost by half a way back, and nobody would be told. The
        first backup stays, beside the later one. What differs after the note is the migration's own doing.
        """
        backup = await self._rehearsed(target, to, key, accept)
        before = await frozen(self.address)
        try:
            await self.freeze(target, fence, frozen=True)
            async with connected(self.address, read_only=True) as connection:
                now = await fingerprint(self.address, connection)
            if now.differences(backup.fingerprint):
                await self._rehearsed(target, to, later(key), accept)
            async with admitted(self.address, target, fence) as connection:
                await note(connection, fence.key)
        except BaseException:
            if not before:
                with anyio.move_on_after(_CLEAN_S, shield=True):
                    await self.freeze(target, fence, frozen=False)
            raise

    async def _rehearsed(self, target: TargetId, to: str, key: str, accept: str) -> Backup:
        """Try the way back on a backup's copy, and refuse it if that loses what nobody has agreed to lose."""
        found: list[LossReport] = []

        async def try_it(scratch: DatabaseAddress) -> None:
            found.append(await rehearse(scratch, self.migrator, to, database=self.address.name))
            await refuse_broken(scratch, self.migrator, to, self.smoke)

        backup = await self._proved(target, key, try_it)
        refuse_loss(found[0], accept)
        return backup

    @asynccontextmanager
    async def _tool(self, target: TargetId, fence: Fence) -> AsyncGenerator[str]:
        """Lend the DSN for a tool whose sessions can be found; they are ended if it fails or is cancelled."""
        try:
            yield marked(self.address.dsn, target, fence)
        except BaseException as original:
            # What is still under way there would come about when nobody counts with it any more.
            with anyio.move_on_after(_CLEAN_S, shield=True):
                try:
                    await end_tools(self.address, target, fence)
                except FairdeployError as error:
                    original.add_note(f"what the tool has left could not be ended: {error}")
            raise

    async def freeze(self, target: TargetId, fence: Fence, *, frozen: bool) -> None:
        """See `Database.freeze`.

        Raises:
            DatabaseError: If it may not be changed.
            Fenced: If a newer epoch is known.
        """
        await reopen(self.address)
        name = quoted(self.address.name)
        async with admitted(self.address, target, fence) as connection:
            what = f"SET {FROZEN} TO on" if frozen else f"RESET {FROZEN}"
            await connection.execute(f"ALTER DATABASE {name} {what}")
        await end_sessions(self.address)

    async def restore(self, target: TargetId, backup: str, fence: Fence, *, accept: str = "") -> str:
        """See `Database.restore`.

        Raises:
            ConsentRequired: If something would be lost; the database in use is frozen, and else as it was.
            BackupError: If the backup is not what it should be.
            DatabaseError: If it cannot be done.
            Fenced: If a newer epoch is known.
        """
        restored, kept = (beside(self.address, word, fence.key) for word in ("restored", "kept"))
        await reopen(self.address)
        await raise_fence(self.address, target, fence)
        there = await self._named(restored, kept)
        if there == {kept}:
            return f"the backup of {backup!r} is in its place; what was there is kept as {kept!r}"
        found = await anyio.to_thread.run_sync(newest, self.folder, backup)
        await self.freeze(target, fence, frozen=True)
        if restored in there:
            await drop(self.address, restored)
        await restore_beside(self.address, self.folder, found, restored)
        try:
            said = await self._agreed(
                target, self.address.named(restored), f"backup {found.id!r}", fence, accept
            )
        except BaseException:
            await drop(self.address, restored)
            raise
        gap = await swap(self.address, restored, kept)
        return f"backup {found.id!r} is in its place after a gap of {gap:.0f} ms; what was there is kept as {kept!r}. {said}"

    async def _agreed(
        self, target: TargetId, restored: DatabaseAddress, source: str, fence: Fence, accept: str
    ) -> LossReport:
        """Let what is restored beside take the place of the one in use, if somebody has agreed to what that loses."""
        report = await loss(self.address, restored, source)
        if not _only_books(report, self.migrator.own_tables):
            refuse_loss(report, accept, frozen=True)
        await carried_over(self.address, restored, fence.key)
        await raise_fence(self.address, target, fence)
        return report

    async def snapshot_before(self, at_ms: int) -> Snapshot | None:
        """See `Snapshotted.snapshot_before`.

        Raises:
            DatabaseError: If it cannot be told.
        """
        provider, known = self.snapshots, self.known_as or self.address.name
        if provider is None:
            return None
        if isinstance(provider, PointInTime) and (found := await provider.moment(known, at_ms)) is not None:
            return found
        taken = [each for each in await provider.snapshots(known) if each.ready and each.at_ms < at_ms]
        return taken[-1] if taken else None

    async def restore_snapshot(
        self, target: TargetId, snapshot: str, fence: Fence, *, to: str, accept: str = ""
    ) -> str:
        """See `Snapshotted.restore_snapshot`.

        Raises:
            ConsentRequired: If something would be lost; the database in use is frozen, and else as it was.
            BackupError: If the snapshot cannot be restored, or nobody keeps snapshots.
            DatabaseError: If it holds another version, or it cannot be done.
            Fenced: If a newer epoch is known.
        """
        provider, known = self.snapshots, self.known_as or self.address.name
        if provider is None:
            raise BackupError(f"nobody keeps snapshots of database {known!r}: give snapshots=...")
        restored = beside(self.address, "restored", fence.key)
        await reopen(self.address)
        await raise_fence(self.address, target, fence)
        said = ""
        if not await arrived(self.address, fence.key):
            await self.freeze(target, fence, frozen=True)
            place = await provider.restore(Snapshot(snapshot, database=known, at_ms=0, ready=True), restored)
            there = replace(self.address, dsn=place)
            try:
                await refuse_broken(there, self.migrator, to, self.smoke)
                said = f". {await self._agreed(target, there, f'snapshot {snapshot!r}', fence, accept)}"
            except BaseException:
                with anyio.move_on_after(_CLEAN_S, shield=True):
                    await provider.remove(restored)
                raise
        kept = await provider.switch(known, restored)
        return f"snapshot {snapshot!r} is in its place; what was there is kept as {kept!r}{said}"

    async def _named(self, *names: str) -> set[str]:
        async with connected(self.address.maintenance, read_only=True) as connection:
            return {row["datname"] for row in await connection.fetch(_NAMES, list(names))}


def _only_books(report: LossReport, own_tables: tuple[str, ...]) -> bool:
    """Whether nothing would be lost but what the migrations themselves have made: their books, and empty tables."""
    kept = all(each.table in own_tables for each in report.tables) and not report.sequences
    return kept and all(each.lost == 0 or each.table in own_tables for each in report.gone)


def _proof(backup: Backup) -> BackupProof:
    return BackupProof(backup.id, restore_ms=backup.restore_ms or 0, size=backup.size)

"""Snapshots by PostgreSQL itself: copies of a whole database beside it, on the same server."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.database.address import quoted
from fairdeploy.database.connection import connected
from fairdeploy.database.properties import properties_of
from fairdeploy.database.restoring import beside, drop
from fairdeploy.database.swapping import end_sessions, reopen, swap
from fairdeploy.errors import BackupError, DatabaseError, InvalidInput
from fairdeploy.protocols import Snapshot

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.connection import Connection

__all__ = ["TemplateSnapshots"]

_OPEN_S: Final = 30.0
_MARKS: Final = """
SELECT datname, shobj_description(oid, 'pg_database') AS mark FROM pg_database
 WHERE shobj_description(oid, 'pg_database') LIKE '{"fairdeploy-snapshot": %'
"""


@final
@dataclass(frozen=True, slots=True)
class TemplateSnapshots:
    """A `fairdeploy.protocols.SnapshotProvider` that needs nothing but the server (``CREATE DATABASE ... TEMPLATE``).

    A copy is of files, so that it takes as long as the disk does, and no time at all where the file system clones them
    (``file_copy_method = clone``, PostgreSQL 18). While it is made nobody can be connected. It lies on the same disk: it
    is a way back from a release, and none from a lost server.

    Args:
        address: Of the database in use; its user must own it, and be allowed to create databases and to end sessions.
    """

    address: DatabaseAddress

    async def snapshot(self, database: str, label: str) -> Snapshot:
        """See `SnapshotProvider.snapshot`.

        Raises:
            BackupError: If it cannot be taken.
            InvalidInput: If the database is another one.
        """
        self._ours(database)
        name = beside(self.address, "snapshot", label)
        try:
            if not any(each.id == name for each in await self.snapshots(database)):
                await self._copied(database, name, label)
        except DatabaseError as error:
            raise BackupError(f"no snapshot {label!r} of database {database!r}: {error}") from error
        (found,) = [each for each in await self.snapshots(database) if each.id == name]
        return found

    async def _copied(self, database: str, name: str, label: str) -> None:
        at_ms = round(time.time() * 1000)
        mark = json.dumps({"fairdeploy-snapshot": label, "database": database, "at_ms": at_ms})
        async with connected(self.address.maintenance) as connection:
            # One without its mark was left by a program that died.
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
            try:
                await connection.execute(f"ALTER DATABASE {quoted(database)} ALLOW_CONNECTIONS false")
                await end_sessions(self.address)
                await _create(connection, name, database)
            finally:
                with anyio.move_on_after(_OPEN_S, shield=True):
                    await reopen(self.address)
            await connection.execute(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS false")
            await _marked(connection, name, mark)

    async def snapshots(self, database: str) -> tuple[Snapshot, ...]:
        """See `SnapshotProvider.snapshots`.

        Raises:
            DatabaseError: If it cannot be told.
        """
        async with connected(self.address.maintenance, read_only=True) as connection:
            rows = [(row["datname"], json.loads(row["mark"])) for row in await connection.fetch(_MARKS)]
        found = [
            Snapshot(name, database=database, at_ms=mark["at_ms"], ready=True)
            for name, mark in rows
            if mark["database"] == database
        ]
        return tuple(sorted(found, key=lambda each: each.at_ms))

    async def restore(self, snapshot: Snapshot, name: str) -> str:
        """See `SnapshotProvider.restore`.

        Raises:
            BackupError: If it cannot be restored.
            InvalidInput: If the name is that of the database in use.
        """
        if name == self.address.name:
            msg = f"a snapshot is restored beside database {name!r}, never over it: give another name"
            raise InvalidInput(msg)
        if not any(each.id == snapshot.id for each in await self.snapshots(self.address.name)):
            raise BackupError(f"there is no snapshot {snapshot.id!r} of database {self.address.name!r}")
        try:
            async with connected(self.address.maintenance) as connection:
                there = await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)
                if not there:
                    await _create(connection, name, snapshot.id)
                properties = await properties_of(connection, self.address.name)
                for statement in properties.apply(name):
                    await connection.execute(statement)
        except DatabaseError as error:
            raise BackupError(f"snapshot {snapshot.id!r} cannot be restored: {error}") from error
        return self.address.named(name).dsn

    async def switch(self, database: str, name: str) -> str:
        """See `SnapshotProvider.switch`.

        Raises:
            DatabaseError: If it cannot be done; then the one before is in use.
            InvalidInput: If the database is another one.
        """
        self._ours(database)
        await reopen(self.address)
        kept = beside(self.address, "kept", name)
        await swap(self.address, name, kept)
        return kept

    async def remove(self, name: str) -> None:
        """See `SnapshotProvider.remove`.

        Raises:
            DatabaseError: If it is in use, or cannot be removed.
        """
        await drop(self.address, name)

    def _ours(self, database: str) -> None:
        if database != self.address.name:
            msg = f"these are snapshots of database {self.address.name!r}, and not of {database!r}"
            raise InvalidInput(msg)


async def _create(connection: Connection, name: str, template: str) -> None:
    await connection.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(template)} STRATEGY file_copy")


async def _marked(connection: Connection, name: str, mark: str) -> None:
    literal = await connection.fetchval("SELECT quote_literal($1::text)", mark)
    await connection.execute(f"COMMENT ON DATABASE {quoted(name)} IS {literal}")

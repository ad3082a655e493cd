"""Putting a restored database in the place of the one in use, which is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.database.address import quoted
from fairdeploy.database.connection import connected
from fairdeploy.database.properties import FROZEN
from fairdeploy.errors import DatabaseError

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.connection import Connection

__all__ = ["freeze", "frozen", "swap", "thaw"]

_TRIES: Final = 20
_OPEN_S: Final = 30.0

_BLOCKERS: Final = """
SELECT 'the prepared transaction ' || quote_literal(gid) || ': commit it or roll it back'
  FROM pg_prepared_xacts WHERE database = $1
UNION ALL
SELECT 'the logical replication slot ' || quote_literal(slot_name) || ', which would follow the old one: drop it'
  FROM pg_replication_slots WHERE database = $1
"""


async def freeze(address: DatabaseAddress) -> None:
    """Let a database be read but not written, from now on; sessions that could still write are ended.

    The site stays up to read. A session that asks for ``READ WRITE`` by itself can still write; applications do not.

    Raises:
        DatabaseError: If it may not be changed.
    """
    async with connected(address.maintenance) as connection:
        await connection.execute(f"ALTER DATABASE {quoted(address.name)} SET {FROZEN} TO on")
        await _end_sessions(connection, address.name)


async def thaw(address: DatabaseAddress) -> None:
    """Let a database be written again, and be connected to again if a swap was killed in the middle.

    Raises:
        DatabaseError: If it may not be changed.
    """
    async with connected(address.maintenance) as connection:
        await connection.execute(f"ALTER DATABASE {quoted(address.name)} ALLOW_CONNECTIONS true")
        await connection.execute(f"ALTER DATABASE {quoted(address.name)} RESET {FROZEN}")
        await _end_sessions(connection, address.name)


async def frozen(address: DatabaseAddress) -> bool:
    """Return whether a database is frozen.

    Raises:
        DatabaseError: If it cannot be asked.
    """
    async with connected(address.maintenance) as connection:
        return bool(
            await connection.fetchval(
                "SELECT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
                " WHERE d.datname = $1 AND s.setrole = 0 AND $2 = ANY (s.setconfig))",
                address.name,
                f"{FROZEN}=on",
            )
        )


async def swap(address: DatabaseAddress, restored: str, kept: str) -> float:
    """Put one database in the place of another, by two renames in one transaction.

    Sessions on the one in use are ended: each loses what it was doing, and connects to the other one next time. It
    is level-triggered: killed in the middle and called again, it goes on. What was in use is kept under another name
    and can be read, not written.

    Args:
        address: Of the database in use.
        restored: The name of what takes its place.
        kept: The name that the one in use gets.

    Returns:
        For how long nobody could connect, in milliseconds; 0 if it was done already.

    Raises:
        DatabaseError: If something holds the database in use (the message says what), or it may not be renamed.
    """
    async with connected(address.maintenance) as connection:
        there = {
            row["datname"]
            for row in await connection.fetch(
                "SELECT datname FROM pg_database WHERE datname = ANY ($1)", [address.name, restored, kept]
            )
        }
        if there == {address.name, kept}:
            return 0.0
        if there != {address.name, restored}:
            msg = f"databases {sorted(there)!r} are there; a swap needs {address.name!r} and {restored!r}, and no {kept!r}"
            raise DatabaseError(msg)
        blockers = [row[0] for row in await connection.fetch(_BLOCKERS, address.name)]
        if blockers:
            msg = f"database {address.name!r} cannot be swapped because of {blockers[0]}"
            raise DatabaseError(msg)
        return await _renamed(connection, address.name, restored, kept)


async def _renamed(connection: Connection, name: str, restored: str, kept: str) -> float:
    began = time.monotonic()
    swapped = False
    try:
        await connection.execute(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS false")
        for attempt in range(_TRIES):
            await _end_sessions(connection, name)
            await _end_sessions(connection, restored)
            try:
                async with connection.transaction():
                    await connection.execute(f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(kept)}")
                    await connection.execute(f"ALTER DATABASE {quoted(restored)} RENAME TO {quoted(name)}")
            except Exception as error:
                # 55006: a session that was ended is still on its way out.
                if getattr(error, "sqlstate", None) != "55006" or attempt == _TRIES - 1:
                    raise
                await anyio.sleep(0.001 * 2 ** min(attempt, 8))
                continue
            swapped = True
            break
        return (time.monotonic() - began) * 1000
    finally:
        with anyio.move_on_after(_OPEN_S, shield=True):
            old = quoted(kept if swapped else name)
            if swapped:
                await connection.execute(f"ALTER DATABASE {old} SET {FROZEN} TO on")
            await connection.execute(f"ALTER DATABASE {old} ALLOW_CONNECTIONS true")


async def _end_sessions(connection: Connection, name: str) -> None:
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
        name,
    )

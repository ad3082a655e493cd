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

__all__ = ["end_sessions", "freeze", "frozen", "reopen", "swap", "thaw"]

_TRIES: Final = 20
_OPEN_S: Final = 30.0

_RENAME_MS: Final = 20
"""Time for ending the sessions and for the rename, once more with each attempt. Who tries to connect just now counts as a
session for a moment, and the server sleeps 100 ms on it: to begin anew is faster."""
_NAMES: Final = """
SELECT set_config('fairdeploy.name', $1, false), set_config('fairdeploy.restored', $2, false),
       set_config('fairdeploy.kept', $3, false)
"""
_RENAME: Final = """
DO $$
DECLARE
  name text := current_setting('fairdeploy.name');
  restored text := current_setting('fairdeploy.restored');
BEGIN
  LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (name, restored) AND pid <> pg_backend_pid();
    EXIT WHEN NOT FOUND;
    PERFORM pg_sleep(0.0005);
  END LOOP;
  EXECUTE format('ALTER DATABASE %I RENAME TO %I', name, current_setting('fairdeploy.kept'));
  EXECUTE format('ALTER DATABASE %I RENAME TO %I', restored, name);
END $$
"""
_END_S: Final = 1.0
_LOOK_S: Final = 0.001
_END: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = ANY ($1) AND pid <> pg_backend_pid()
"""

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


async def reopen(address: DatabaseAddress) -> None:
    """Let a database be connected to again, should a swap have been killed in the middle.

    Raises:
        DatabaseError: If it may not be changed.
    """
    async with connected(address.maintenance) as connection:
        closed = await connection.fetchval(
            "SELECT true FROM pg_database WHERE datname = $1 AND NOT datallowconn", address.name
        )
        if closed:
            await connection.execute(f"ALTER DATABASE {quoted(address.name)} ALLOW_CONNECTIONS true")


async def end_sessions(address: DatabaseAddress) -> None:
    """End every session on a database: whoever comes back finds its settings as they are now.

    Raises:
        DatabaseError: If they may not be ended.
    """
    async with connected(address.maintenance) as connection:
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
    swapped = False
    # All that can be said before is: between the end of the sessions and the new name nothing is asked of the server twice.
    await connection.execute(_NAMES, name, restored, kept)
    began = time.monotonic()
    try:
        # Whether this one outlives a crash is all the same: then the database is open, as it was.
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS false")
        for attempt in range(_TRIES):
            try:
                await connection.execute(f"SET statement_timeout = {_RENAME_MS * (attempt + 1)}")
                await connection.execute(_RENAME)
            except Exception as error:
                # 55006: a session that was ended is still on its way out; 57014: the time-out.
                if getattr(error, "sqlstate", None) not in {"55006", "57014"} or attempt == _TRIES - 1:
                    raise
                await anyio.sleep(0.001 * 2 ** min(attempt, 8))
                continue
            swapped = True
            break
        return (time.monotonic() - began) * 1000
    finally:
        with anyio.move_on_after(_OPEN_S, shield=True):
            old = quoted(kept if swapped else name)
            # Durable from here on, the names too: the server's log is one sequence.
            await _unhurried(connection)
            if swapped:
                await connection.execute(f"ALTER DATABASE {old} SET {FROZEN} TO on")
            await connection.execute(f"ALTER DATABASE {old} ALLOW_CONNECTIONS true")


async def _unhurried(connection: Connection) -> None:
    """Lift the time-out of the rename, which holds for this too: on a busy machine even this can come too late."""
    lifted = False
    while not lifted:
        try:
            await connection.execute("RESET synchronous_commit; RESET statement_timeout")
            lifted = True
        except Exception as error:
            if getattr(error, "sqlstate", None) != "57014":
                raise


async def _end_sessions(connection: Connection, *names: str) -> None:
    """End every session on some databases, and wait until they are gone; one that stays for a second is left."""
    until = time.monotonic() + _END_S
    # Looked at by ourselves: the server would look again for each of them after 100 ms only.
    while await connection.fetchval(_END, list(names)) and time.monotonic() < until:  # noqa: ASYNC110 -- no event tells
        await anyio.sleep(_LOOK_S)

"""The fence of a database, kept in the database itself: who is late is refused where it matters, in one transaction."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import FENCE
from fairdeploy.errors import DatabaseError, Fenced

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.connection import Connection
    from fairdeploy.model import TargetId
    from fairdeploy.protocols import Fence

__all__ = ["admitted", "arrived", "carried_over", "end_tools", "marked", "note", "raise_fence"]

_MAKE: Final = f"""
CREATE SCHEMA IF NOT EXISTS {FENCE};
CREATE TABLE IF NOT EXISTS {FENCE}.epochs (target text PRIMARY KEY, epoch bigint NOT NULL, key text NOT NULL);
REVOKE ALL ON SCHEMA {FENCE} FROM PUBLIC;
"""
_RAISE: Final = f"""
INSERT INTO {FENCE}.epochs AS kept (target, epoch, key) VALUES ($1, $2, $3)
ON CONFLICT (target) DO UPDATE SET epoch = excluded.epoch, key = excluded.key WHERE kept.epoch <= excluded.epoch
RETURNING epoch
"""  # noqa: S608 -- a name of ours
_SEEN: Final = f"SELECT epoch FROM {FENCE}.epochs WHERE target = $1"  # noqa: S608 -- a name of ours
_THERE: Final = f"SELECT to_regclass('{FENCE}.epochs') IS NOT NULL"
_COMING: Final = f"SELECT to_regclass('{FENCE}.arrivals') IS NOT NULL"
_ARRIVED: Final = f"SELECT EXISTS (SELECT FROM {FENCE}.arrivals WHERE key = $1)"  # noqa: S608 -- a name of ours
_ARRIVES: Final = f"CREATE TABLE IF NOT EXISTS {FENCE}.arrivals (key text PRIMARY KEY)"
_NOTE: Final = f"INSERT INTO {FENCE}.arrivals VALUES ($1) ON CONFLICT DO NOTHING"  # noqa: S608 -- a name of ours
# What an older holder has still under way: it bears its target and epoch in its name.
_END: Final = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND starts_with(application_name, $1)
   AND substr(application_name, length($1) + 1) ~ '^[0-9]+$' AND substr(application_name, length($1) + 1)::bigint <= $2
"""
_LOCK: Final = 7_206_141_903
"""Of the advisory lock that keeps two holders from making or raising the fence in the same moment."""


def _prefix(target: TargetId) -> str:
    # An application's name is cut at 63 bytes: the target's own name may be longer. No space: it stands in a DSN.
    return f"fairdeploy-{hashlib.sha256(target.encode()).hexdigest()[:12]}-"


def marked(dsn: str, target: TargetId, fence: Fence) -> str:
    """Return a DSN by which a session bears target and epoch as its application's name.

    A migration tool gets it: should this process die, whoever takes over finds the tool's session and ends it.
    """
    parts = urlsplit(dsn)
    rest = [(key, value) for key, value in parse_qsl(parts.query) if key != "application_name"]
    name = f"{_prefix(target)}{fence.epoch}"
    # Libpq knows no + for a space, and many an env.py gives the DSN to a ConfigParser, for which % is a word of its own.
    query = urlencode([*rest, ("application_name", name)], quote_via=quote, safe="/:")
    return urlunsplit(parts._replace(query=query))


async def raise_fence(address: DatabaseAddress, target: TargetId, fence: Fence) -> None:
    """Make an epoch known in a database, and end what older ones have under way there.

    Raises:
        Fenced: If a newer one is known.
        DatabaseError: If it cannot be written: the user must be allowed to create a schema.
    """
    async with connected(address) as connection:
        # First: one of them may hold a lock that is waited for below.
        await _end(connection, address, target, fence.epoch - 1)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if not await connection.fetchval(_THERE):
                await connection.execute(_MAKE)
            raised = await connection.fetchval(_RAISE, target, fence.epoch, fence.key)
            if raised is None:
                seen = await connection.fetchval(_SEEN, target)
                raise _late(address, target, fence, seen)


@asynccontextmanager
async def admitted(address: DatabaseAddress, target: TargetId, fence: Fence) -> AsyncGenerator[Connection]:
    """Lend a connection inside a transaction in which nobody else can raise the fence.

    What is done by it is done under the epoch, or not at all.

    Raises:
        Fenced: If a newer epoch is known.
        DatabaseError: If the database refuses.
    """
    await raise_fence(address, target, fence)
    async with connected(address) as connection, connection.transaction():
        seen = await connection.fetchval(f"{_SEEN} FOR SHARE", target)
        if seen != fence.epoch:
            raise _late(address, target, fence, seen)
        yield connection


async def arrived(address: DatabaseAddress, key: str) -> bool:
    """Return whether a database took its place under a key, or has begun its way back; see `note`.

    Raises:
        DatabaseError: If it cannot be asked.
    """
    async with connected(address, read_only=True) as connection:
        return bool(await connection.fetchval(_COMING) and await connection.fetchval(_ARRIVED, key))


async def carried_over(address: DatabaseAddress, restored: DatabaseAddress, key: str) -> None:
    """Give a database that is about to take another one's place the same fence, and note under which key it comes.

    Raises:
        DatabaseError: If it cannot be written.
    """
    async with connected(address, read_only=True) as connection:
        rows = await connection.fetch(f"SELECT target, epoch, key FROM {FENCE}.epochs")  # noqa: S608 -- a name of ours
    async with connected(restored) as connection, connection.transaction():
        await connection.execute(_MAKE)
        await connection.executemany(_RAISE, [tuple(row) for row in rows])
        await note(connection, key)


async def note(connection: Connection, key: str) -> None:
    """Note in a database what there is no way back from, under its key; see `arrived`.

    Args:
        connection: See `admitted`.
        key: Of the step.
    """
    await connection.execute(_ARRIVES)
    await connection.execute(_NOTE, key)


async def end_tools(address: DatabaseAddress, target: TargetId, fence: Fence) -> None:
    """End the sessions of tools that were started under an epoch, or an older one: what they had begun is undone.

    Raises:
        DatabaseError: If one does not end.
    """
    async with connected(address) as connection:
        await _end(connection, address, target, fence.epoch)


async def _end(connection: Connection, address: DatabaseAddress, target: TargetId, epoch: int) -> None:
    await connection.fetchval(_END, _prefix(target), epoch)
    if await connection.fetchval(_END, _prefix(target), epoch):
        msg = f"a session of an older holder on {address.name!r} does not end: try again"
        error = DatabaseError(msg)
        error.retryable = True
        raise error


def _late(address: DatabaseAddress, target: TargetId, fence: Fence, seen: object) -> Fenced:
    return Fenced(
        f"database {address.name!r} has seen epoch {seen} for {target!r}, this one is {fence.epoch}: stop, another holder acts"
    )

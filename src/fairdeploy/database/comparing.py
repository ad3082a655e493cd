"""What two databases hold that the other does not: exact, row by row, in constant memory."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from fairdeploy.database.address import quoted
from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import Table, fingerprint, tables
from fairdeploy.errors import DatabaseError
from fairdeploy.model import LossReport, TableLoss

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.connection import Connection

__all__ = ["export_lost", "loss"]

_PREFETCH: Final = 5_000
_COLUMNS: Final = """
SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_LARGE: Final = """
SELECT hashtextextended(oid::text || encode(sha256(lo_get(oid)), 'hex'), 0) AS hash
  FROM pg_largeobject_metadata ORDER BY 1
"""
_ON_ONE_LINE: Final = {ord("\n"): " ", ord("\r"): " "}
_Row: TypeAlias = "tuple[int, str]"


async def loss(now: DatabaseAddress, restored: DatabaseAddress, source: str) -> LossReport:
    """Return what would be lost by putting a restored database in the place of the one in use.

    Freeze the database in use first: else the report is of a moment that is over.

    Args:
        now: The database in use.
        restored: The one beside it.
        source: What was restored, in the report's words, such as ``backup 'x'``.

    Raises:
        DatabaseError: If one of them cannot be read.
    """
    async with AsyncExitStack() as stack:
        ours = await _reading(stack, now)
        theirs = await _reading(stack, restored)
        held, kept = await fingerprint(now, ours), await fingerprint(restored, theirs)
        there = {str(table) for table in await tables(theirs)}
        found: list[TableLoss] = []
        only: list[TableLoss] = []
        for table in await tables(ours):
            if str(table) not in there:
                count = int(held.tables[str(table)].partition(":")[0])
                only.append(TableLoss(str(table), lost=count))
            elif held.tables[str(table)] != kept.tables[str(table)]:
                columns = await _shared(table, ours, theirs)
                sides = (_rows(ours, table, columns), _rows(theirs, table, columns))
                found += await _counted(str(table), *sides)
                only += await _values_gone(table, ours, columns)
        if held.large_objects != kept.large_objects:
            found += await _counted("large objects", _large(ours), _large(theirs))
    return LossReport(
        database=now.name,
        to=source,
        tables=tuple(found),
        gone=tuple(only),
        sequences=tuple(name for name in held.ahead(kept) if name in kept.sequences),
    )


async def export_lost(kept: DatabaseAddress, restored: DatabaseAddress, folder: Path) -> tuple[Path, ...]:
    """Write the rows that only the kept database has, a file of JSON lines for each table that differs.

    A line is what PostgreSQL's ``row_to_json`` says of the row, to the last digit, in UTF-8; ``INSERT INTO t SELECT
    (json_populate_record(NULL::t, line)).*`` puts it back. A ``null`` within a column of type ``json`` and no value at all
    are the same there.

    Args:
        kept: The database that was replaced.
        restored: What took its place, or stands beside it.
        folder: For the files, private to this user; made if missing.

    Returns:
        The files, ``<schema>.<table>.jsonl``.

    Raises:
        DatabaseError: If one of them cannot be read, or a file cannot be written.
    """
    written = []
    try:
        await anyio.Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"folder {str(folder)!r} for lost rows cannot be made ({error.strerror}): give one that this user may write to"
        raise DatabaseError(msg) from error
    async with AsyncExitStack() as stack:
        ours = await _reading(stack, kept)
        theirs = await _reading(stack, restored)
        there = {str(table) for table in await tables(theirs)}
        for table in await tables(ours):
            path = folder / f"{str(table).replace('/', '_')}.jsonl"
            columns = await _shared(table, ours, theirs) if str(table) in there else ()
            lost = _only_left(
                _rows(ours, table, columns, whole=True), _rows(theirs, table, columns) if columns else _none()
            )
            if await _write(path, lost):
                written.append(path)
    return tuple(written)


async def _reading(stack: AsyncExitStack, address: DatabaseAddress) -> Connection:
    """Open one moment of a database."""
    connection = await stack.enter_async_context(connected(address, read_only=True))
    await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
    return connection


async def _shared(table: Table, ours: Connection, theirs: Connection) -> tuple[str, ...]:
    """Return the columns that a table has on both sides: only by these can its rows be told from each other."""
    mine, others = [
        [row["attname"] for row in await side.fetch(_COLUMNS, table.sql)] for side in (ours, theirs)
    ]
    return tuple(name for name in mine if name in others)


async def _values_gone(table: Table, ours: Connection, shared: tuple[str, ...]) -> list[TableLoss]:
    """Return what stands in columns that only our side has."""
    mine = [row["attname"] for row in await ours.fetch(_COLUMNS, table.sql)]
    added = [name for name in mine if name not in shared]
    if not added:
        return []
    counts = ", ".join(f"count({quoted(name)})" for name in added)
    found = await ours.fetchrow(f"SELECT {counts} FROM ONLY {table.sql}")  # noqa: S608 -- quoted names
    pairs = zip(added, list(found or ()), strict=False)
    return [TableLoss(f"{table}.{name}", lost=count) for name, count in pairs if count]


async def _counted(name: str, ours: AsyncIterator[_Row], theirs: AsyncIterator[_Row]) -> list[TableLoss]:
    lost = back = 0
    async for side, _ in _merged(ours, theirs):
        lost += side < 0
        back += side > 0
    return [TableLoss(name, lost=lost, back=back)] if lost or back else []


async def _rows(
    connection: Connection, table: Table, columns: tuple[str, ...], *, whole: bool = False
) -> AsyncIterator[_Row]:
    """Yield the hash of each row's columns, and with ``whole`` all of the row as JSON, in the order of the hashes."""
    what = "row_to_json(t)::text" if whole else "''"
    key = f"ROW({', '.join(f't.{quoted(name)}' for name in columns)})::text"
    query = f"SELECT hashtextextended({key}, 0) AS hash, {what} AS row FROM ONLY {table.sql} AS t ORDER BY 1"  # noqa: S608 -- quoted names
    async for row in connection.cursor(query, prefetch=_PREFETCH):
        yield row["hash"], row["row"]


async def _large(connection: Connection) -> AsyncIterator[_Row]:
    """Yield the hash of each large object, in the order of the hashes."""
    async for row in connection.cursor(_LARGE, prefetch=_PREFETCH):
        yield row["hash"], ""


async def _none() -> AsyncIterator[_Row]:
    rows: tuple[_Row, ...] = ()
    for row in rows:
        yield row


async def _merged(left: AsyncIterator[_Row], right: AsyncIterator[_Row]) -> AsyncIterator[tuple[int, str]]:
    """Yield what only one of two sorted sides has: -1 for the left one, 1 for the right one."""
    mine, theirs = await anext(left, None), await anext(right, None)
    while mine is not None or theirs is not None:
        if theirs is None or (mine is not None and mine[0] < theirs[0]):
            if mine is not None:
                yield -1, mine[1]
            mine = await anext(left, None)
        elif mine is None or theirs[0] < mine[0]:
            yield 1, theirs[1]
            theirs = await anext(right, None)
        else:
            mine, theirs = await anext(left, None), await anext(right, None)


async def _only_left(left: AsyncIterator[_Row], right: AsyncIterator[_Row]) -> AsyncIterator[str]:
    async for side, row in _merged(left, right):
        if side < 0:
            yield row


async def _write(path: Path, rows: AsyncIterator[str]) -> int:
    """Write rows as lines, and no file if there are none; return how many."""
    count = 0
    handle = None
    try:
        async for row in rows:
            if handle is None:
                opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                handle = os.fdopen(opened, "w", encoding="utf-8", newline="\n")
            # As the server wrote it: read as JSON here, numbers would be rounded. Between values of a `json` column there
            # may be line ends; within a text they are escaped.
            handle.write(row.translate(_ON_ONE_LINE) + "\n")
            count += 1
        if handle is not None:
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        msg = (
            f"lost rows cannot be written to {str(path)!r} ({error.strerror}): give an empty folder with room"
        )
        raise DatabaseError(msg) from error
    finally:
        if handle is not None:
            handle.close()
    return count

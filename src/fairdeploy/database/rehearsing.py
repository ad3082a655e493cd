"""Trying a way back on a restored copy first: whether it gets there, how long it takes, and what it would lose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.database.address import quoted
from fairdeploy.database.connection import connected
from fairdeploy.database.fingerprint import Table, tables
from fairdeploy.errors import DatabaseError
from fairdeploy.model import LossReport, TableLoss

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.connection import Connection
    from fairdeploy.protocols import Migrator

__all__ = ["rehearse"]


@final
@dataclass(frozen=True, slots=True)
class _Column:
    type: str
    values: int
    hash: str


@final
@dataclass(frozen=True, slots=True)
class _Contents:
    rows: int
    columns: Mapping[str, _Column]


async def rehearse(
    scratch: DatabaseAddress, migrator: Migrator, version: str, *, database: str
) -> LossReport:
    """Take a copy back to a version, and return what that took away.

    Told from rows and columns before and after, not from what the migration says of itself: a column that is dropped
    while it holds values is a loss, one that is empty is none.

    Args:
        scratch: The copy. It is changed.
        migrator: What takes it back.
        version: Where to.
        database: The name of the database in use, for the report.

    Raises:
        DatabaseError: If it does not get there.
    """
    async with connected(scratch, read_only=True) as connection:
        before = await _contents(connection)
    await migrator.downgrade(scratch.dsn, version)
    reached = await migrator.current(scratch.dsn)
    if reached != version:
        msg = f"going back to version {version!r} came to {reached!r} on a copy of {database!r}"
        raise DatabaseError(msg)
    async with connected(scratch, read_only=True) as connection:
        after = await _contents(connection)
    gone: list[TableLoss] = []
    changed: list[TableLoss] = []
    for table in before.keys() - set(migrator.own_tables):
        held = before[table]
        if table not in after:
            gone += [TableLoss(table, lost=held.rows)] if held.rows else []
            continue
        gone += _columns_gone(table, held, after[table])
        changed += _changed(table, held, after[table])
    return LossReport(
        database=database, to=f"version {version!r}", tables=_sorted(changed), gone=_sorted(gone)
    )


def _sorted(found: list[TableLoss]) -> tuple[TableLoss, ...]:
    return tuple(sorted(found, key=lambda each: each.table))


def _columns_gone(table: str, before: _Contents, after: _Contents) -> Iterator[TableLoss]:
    for name, column in before.columns.items():
        if column.values and name not in after.columns:
            yield TableLoss(f"{table}.{name}", lost=column.values)


def _changed(table: str, before: _Contents, after: _Contents) -> Iterator[TableLoss]:
    if before.rows != after.rows:
        yield TableLoss(table, lost=max(0, before.rows - after.rows), back=max(0, after.rows - before.rows))
        return
    for name, column in before.columns.items():
        now = after.columns.get(name)
        if now is not None and now.hash != column.hash:
            # Which of its values, nobody can say any more: all of them may have.
            yield TableLoss(f"{table}.{name}", lost=column.values)


async def _contents(connection: Connection) -> dict[str, _Contents]:
    return {str(table): await _content(connection, table) for table in await tables(connection)}


async def _content(connection: Connection, table: Table) -> _Contents:
    columns = await connection.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table.sql,
    )
    asked = "".join(
        f", count({quoted(row['attname'])}), coalesce(sum(hashtextextended({quoted(row['attname'])}::text, 0)), 0)::text"
        for row in columns
    )
    found = await connection.fetchrow(f"SELECT count(*){asked} FROM ONLY {table.sql}")  # noqa: S608 -- quoted names
    count, *numbers = list(found or [0])
    return _Contents(
        rows=count,
        columns={
            row["attname"]: _Column(row["type"], numbers[2 * place], str(numbers[2 * place + 1]))
            for place, row in enumerate(columns)
        },
    )

"""What a database holds, in a form that two databases can be compared by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.database.address import quoted
from fairdeploy.database.programs import ran
from fairdeploy.model._tagged import STRICT

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.database.connection import Connection

__all__ = ["FENCE", "Fingerprint", "Table", "fingerprint", "schema_digest", "sequences", "tables"]

FENCE: Final = "fairdeploy_fence"
"""A schema of ours, in which a database keeps who may act on it. It is no part of what the database holds: not backed
up, not compared, not lost."""

# What belongs to an extension comes with the extension, not with a backup.
_TABLES: Final = f"""
SELECT n.nspname, c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', '{FENCE}') AND n.nspname NOT LIKE 'pg\\_%'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""  # noqa: S608 -- a name of ours
_SEQUENCES: Final = """
SELECT schemaname || '.' || sequencename AS name, last_value * sign(increment_by)::bigint AS value
  FROM pg_sequences WHERE last_value IS NOT NULL AND NOT cycle ORDER BY 1
"""
# An object's own function, as only superusers may read the table that the pages are in.
_LARGE: Final = """
SELECT count(*) || ':' || coalesce(sum(hashtextextended(oid::text || encode(sha256(lo_get(oid)), 'hex'), 0)), 0)
  FROM pg_largeobject_metadata
"""


@final
@dataclass(frozen=True, slots=True)
class Table:
    """A table that holds rows itself: partitions are tables, what they are partitions of is none."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """It as SQL names it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a database held at one moment.

    Args:
        tables: For each table, the number of rows and the sum of their hashes, which no order changes.
        sequences: How far each has come that was used and does not cycle; grows, also where it counts down. Sequences
            know no snapshot: a dump reads them later, so that what is restored may be further, but not behind.
        large_objects: The number of large objects and the sum of their hashes.
        schema: SHA-256 of the schema as ``pg_dump`` writes it.
    """

    __pydantic_config__ = STRICT

    tables: Mapping[str, str]
    sequences: Mapping[str, int]
    large_objects: str
    schema: str

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """Return what is not as another one says, in words; empty if all is, and no sequence is behind."""
        found = [f"table {name}" for name in _changed(self.tables, other.tables)]
        found += [f"sequence {name}" for name in other.ahead(self)]
        found += ["large objects"] if self.large_objects != other.large_objects else []
        found += ["schema"] if self.schema != other.schema else []
        return tuple(found)

    def ahead(self, other: Fingerprint) -> tuple[str, ...]:
        """Return the sequences that have come further here than in another one."""
        return tuple(
            name
            for name, value in self.sequences.items()
            if name not in other.sequences or other.sequences[name] < value
        )


def _changed(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))


async def tables(connection: Connection) -> tuple[Table, ...]:
    """Return every table that holds rows."""
    return tuple(Table(schema, name) for schema, name in await connection.fetch(_TABLES))


async def sequences(connection: Connection) -> Mapping[str, int]:
    """Return how far each sequence has come."""
    return {row["name"]: row["value"] for row in await connection.fetch(_SEQUENCES)}


async def fingerprint(
    address: DatabaseAddress,
    connection: Connection,
    *,
    snapshot: str = "",
    at_least: Mapping[str, int] | None = None,
) -> Fingerprint:
    """Return what a database holds, as a connection sees it.

    Args:
        address: The database.
        connection: Inside a transaction, if all is to be of one moment.
        snapshot: That transaction's, as ``pg_export_snapshot`` named it.
        at_least: How far the sequences had come before a dump began; ``None``: as they are now.

    Raises:
        DatabaseError: If a table may not be read.
    """
    marks = {}
    for table in await tables(connection):
        query = f"SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY {table.sql} AS t"  # noqa: S608 -- a quoted name
        marks[str(table)] = str(await connection.fetchval(query))
    return Fingerprint(
        tables=marks,
        sequences=await sequences(connection) if at_least is None else at_least,
        large_objects=str(await connection.fetchval(_LARGE)),
        schema=await schema_digest(address, snapshot=snapshot),
    )


async def schema_digest(address: DatabaseAddress, *, snapshot: str = "") -> str:
    """Return the SHA-256 of the schema as ``pg_dump`` writes it.

    Raises:
        DatabaseError: If it cannot be dumped.
    """
    frozen = [f"--snapshot={snapshot}"] if snapshot else []
    text = await ran(
        address, "pg_dump", f"--dbname={address.dsn}", "--schema-only", f"--exclude-schema={FENCE}", *frozen
    )
    # Comments name versions, and \restrict a key that is new each time.
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("--", "\\"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""What keeps a database from being changed: a loss that nobody has agreed to, long transactions, what is broken after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from fairdeploy.database.connection import connected
from fairdeploy.errors import ConsentRequired, DatabaseError

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress
    from fairdeploy.model import LossReport
    from fairdeploy.protocols import Migrator

__all__ = ["Smoke", "refuse_broken", "refuse_long", "refuse_loss"]

Smoke: TypeAlias = Callable[["DatabaseAddress"], Awaitable[None]]
"""A question of yours to a database; raising says that it is no good."""

_LONG_S: Final = 30
"""Seconds after which a transaction is long: DDL that waits behind it makes everybody else wait behind the DDL."""

_LONG: Final = """
SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => $1)
 ORDER BY xact_start LIMIT 1
"""
_INVALID: Final = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"


def refuse_loss(report: LossReport, accept: str, *, frozen: bool = False) -> None:
    """Do nothing if a loss is none, or was agreed to (``"any"``: whatever it is).

    Args:
        report: The loss.
        accept: The digest of what was agreed to.
        frozen: Whether the database stays frozen.

    Raises:
        ConsentRequired: If nobody has agreed.
    """
    if report.nothing or accept in {"any", report.digest}:
        return
    wrong = f" (the digest given, {accept[:12]!r}..., is of another loss)" if accept else ""
    now = "the database stays frozen: it can be read, not written" if frozen else "nothing has changed"
    msg = f"{report}\n{now}{wrong}: agree with accept={report.digest!r}"
    raise ConsentRequired(msg, report)


async def refuse_long(address: DatabaseAddress) -> None:
    """Do nothing if no transaction has been open for long.

    Raises:
        DatabaseError: If one has; it may pass.
    """
    async with connected(address) as connection:
        found = await connection.fetchrow(_LONG, _LONG_S)
    if found is not None:
        msg = (
            f"a transaction on {address.name!r} has been open for {found['seconds']} s (pid {found['pid']}, user "
            f"{found['usename']!r}, application {found['application_name']!r}): a change to the schema would wait behind it, "
            "and everybody else behind that; end it first"
        )
        error = DatabaseError(msg)
        error.retryable = True
        raise error


async def refuse_broken(
    address: DatabaseAddress, migrator: Migrator, version: str, smoke: Smoke | None
) -> None:
    """Do nothing if a database is at a version, whole, and answers.

    Raises:
        DatabaseError: If it is not.
    """
    reached = await migrator.current(address.dsn)
    if reached != version:
        msg = f"database {address.name!r} is at version {reached!r}, not at {version!r}: it may be newer than the code"
        raise DatabaseError(msg)
    async with connected(address, read_only=True) as connection:
        invalid = [row[0] for row in await connection.fetch(_INVALID)]
    if invalid:
        msg = f"database {address.name!r} has indexes that are not valid: {invalid[:5]!r}"
        raise DatabaseError(msg)
    if smoke is not None:
        await smoke(address)

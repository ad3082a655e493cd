"""Ask a PostgreSQL server how it is. The only module of this room that imports asyncpg."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import anyio
import asyncpg

from fairdeploy.health._asyncio import on_asyncio
from fairdeploy.health.finding import Finding, failed, passed, unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import PostgresCheck

__all__ = ["ask_postgres"]

# Who may not see others' sessions sees that they are there, but not what kind: counted all the same.
# On a replica that has replayed all it was sent, the age of the last transaction is no lag. Without a
# receiver nobody knows what was not sent.
_QUESTION = """
SELECT pg_is_in_recovery() AS replica,
       current_setting('default_transaction_read_only')::bool AS read_only,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int
         - (SELECT count(*) FROM pg_stat_activity
             WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)) AS free,
       EXISTS (SELECT FROM pg_stat_wal_receiver) AS receives,
       CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE 1000 * extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
       END::float8 AS lag_ms
"""
_SECOND_LOOKS, _PAUSE = 2, 0.1
"""What a replica gets of an idle primary is not replayed for a moment, and then seems as old as the last transaction."""
_NOT_OURS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
"""What says that the DSN is not right, and nothing about the server."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    replica: bool
    read_only: bool
    free: int
    receives: bool
    lag_ms: float | None


async def ask_postgres(check: PostgresCheck, secrets: Secrets) -> Finding:
    """Connect, ask one question, hang up."""
    asked = f"PostgreSQL at {check.dsn.source} {check.dsn.key!r}"
    if not on_asyncio():
        return unclear(asked, f"{asked} can be asked on asyncio only, as asyncpg runs nowhere else")
    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            facts = await _facts(secrets[check.dsn], check)
    except TimeoutError:
        return failed(asked, f"{asked} did not answer within {check.timeout_ms} ms")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        return _refused(error, asked)
    except (OSError, ValueError) as error:
        return _unreached(error, asked)
    for complaint in _complaints(check, facts):
        return failed(asked, f"{asked} {complaint}")
    role = "replica" if facts.replica else "primary"
    return passed(asked, f"{asked} is a {role} with {facts.free} connections left")


async def _facts(dsn: str, check: PostgresCheck) -> _Facts:
    connection = await asyncpg.connect(
        dsn,
        timeout=check.timeout_ms / 1000,
        # A pooler that gives a server connection to each transaction knows no prepared statements.
        statement_cache_size=0,
        server_settings={"application_name": "fairdeploy"},
    )
    try:
        facts = await _looked(connection)
        for _ in range(_SECOND_LOOKS):
            if check.max_lag_ms is None or facts.lag_ms is None or facts.lag_ms <= check.max_lag_ms:
                break
            await anyio.sleep(_PAUSE)
            facts = await _looked(connection)
    finally:
        connection.terminate()
    return facts


async def _looked(connection: asyncpg.Connection) -> _Facts:
    row = await connection.fetchrow(_QUESTION)
    return _Facts(**dict(row or {}))


def _complaints(check: PostgresCheck, facts: _Facts) -> Iterator[str]:
    """Yield what is wrong, worst first."""
    if check.role == "primary" and facts.replica:
        yield "is a replica, expected the primary"
    if check.role == "primary" and facts.read_only:
        yield "takes no writes: default_transaction_read_only is on"
    if check.role == "replica" and not facts.replica:
        yield "is the primary, expected a replica"
    if check.max_lag_ms is not None:
        if not facts.receives:
            yield "receives nothing from a primary, so nobody knows how far it is behind"
        elif facts.lag_ms is None or facts.lag_ms > check.max_lag_ms:
            behind = "some time" if facts.lag_ms is None else f"{facts.lag_ms:.0f} ms"
            yield f"is {behind} behind, expected at most {check.max_lag_ms} ms"
    if facts.free < check.min_connections:
        yield f"has {max(0, facts.free)} connections left, expected at least {check.min_connections}"


def _refused(error: Exception, asked: str) -> Finding:
    """Return what an answer that is an error says. Its text is not shown: it may repeat parts of the DSN."""
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return failed(asked, f"{asked} has no connection left")
    if isinstance(error, asyncpg.CannotConnectNowError):
        return failed(asked, f"{asked} takes no connections now: it starts, stops or recovers")
    kind = type(error).__name__
    if isinstance(error, (*_NOT_OURS, asyncpg.InterfaceError)):
        return unclear(asked, f"{asked} cannot be asked with this DSN: {kind}")
    return failed(asked, f"{asked} answered with an error: {kind}")


def _unreached(error: Exception, asked: str) -> Finding:
    if isinstance(error, socket.gaierror):
        return unclear(asked, f"{asked} cannot be found: its name does not resolve ({error.strerror})")
    if isinstance(error, OSError):
        return failed(asked, f"{asked} did not accept a connection: {type(error).__name__}")
    return unclear(asked, f"{asked} cannot be asked with this DSN: {type(error).__name__}")

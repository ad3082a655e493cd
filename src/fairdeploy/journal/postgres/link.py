"""The connections of a PostgreSQL journal, with every failure named."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.errors import FairdeployError, InvalidInput, JournalError, MissingDependency

try:
    import asyncpg
except ImportError as missing:
    raise MissingDependency(
        "a PostgreSQL journal needs asyncpg: pip install 'fairdeploy[postgres]'"
    ) from missing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from asyncpg.pool import PoolConnectionProxy

    from fairdeploy.journal.postgres.address import Address

__all__ = ["LOST", "Link", "failure", "passes", "refuse_other_loops"]

_ANSWER_SECONDS: Final = 10.0
"""Time for one statement, waits for other writers included."""
_CLOSING: Final = 5.0
"""Seconds for connections to end in order."""

LOST: Final = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError)
"""What a statement can fail with. Of some the outcome is unknown; see `passes`."""

_PASSING: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting up, a statement cancelled
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ConnectionDoesNotExistError,
)
_GONE: Final = "its tables are gone: restore them from a backup, then open it anew"
_REMEDIES: Final = (
    (asyncpg.DiskFullError, "its disk is full: free some space and call again"),
    (asyncpg.ReadOnlySQLTransactionError, "it is read-only, such as a replica: name the primary"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "it does not let us in: check user, password and pg_hba.conf",
    ),
    (asyncpg.InvalidCatalogNameError, "there is no such database: create it"),
    (
        asyncpg.InsufficientPrivilegeError,
        "this user may not: grant it the schema and its tables, or CREATE once",
    ),
    (asyncpg.UndefinedTableError, _GONE),
    (asyncpg.UndefinedFunctionError, _GONE),
    (asyncpg.InvalidSchemaNameError, _GONE),
    (
        asyncpg.TooManyConnectionsError,
        "it takes no more connections: raise max_connections, or lower connections=...",
    ),
)
_LASTING: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.DataError,
    ValueError,  # of the driver: what it was given cannot be sent
)


def passes(error: BaseException) -> bool:
    """Whether a failure may be over in a moment: a connection lost, a server that restarts, no answer in time."""
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)
    return isinstance(error, (OSError, asyncpg.InternalClientError, *_PASSING))


def failure(where: str, error: BaseException) -> JournalError:
    """Return what to raise for an error of the driver or the server. What was written is never shown."""
    remedy = next((words for kind, words in _REMEDIES if isinstance(error, kind)), None)
    if remedy is None and isinstance(error, asyncpg.PostgresError) and not passes(error):
        remedy = f"PostgreSQL says {type(error).__name__} ({error.sqlstate}): see the server's log"
    if remedy is None:
        name = type(error).__name__
        remedy = (
            f"the server cannot be reached or does not answer ({name}): check that it runs, and call again"
        )
    mapped = JournalError(f"journal {where!r} cannot be used: {remedy}")
    mapped.retryable = not isinstance(error, _LASTING)
    return mapped


@final
class Link:
    """A bounded number of connections, for tasks of one event loop.

    Args:
        address: Where.
        connections: How many at most.
    """

    def __init__(self, address: Address, connections: int) -> None:
        self.address = address
        self._loop = asyncio.get_running_loop()
        self._pool = asyncpg.create_pool(
            address.dsn,
            password=address.password,
            min_size=0,
            max_size=connections,
            max_inactive_connection_lifetime=60.0,
            timeout=_ANSWER_SECONDS,
            command_timeout=_ANSWER_SECONDS,
            server_settings={
                "application_name": "fairdeploy journal",
                "default_transaction_isolation": "read committed",
                "idle_in_transaction_session_timeout": "10000",
            },
        )

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[PoolConnectionProxy]:
        """Lend a connection.

        Raises:
            JournalError: If the journal is used from another event loop than the one that opened it.
        """
        self._check_loop()
        _ = await self._pool  # once; it connects with the first use
        async with self._pool.acquire(timeout=2 * _ANSWER_SECONDS) as connection:
            yield connection

    async def aclose(self) -> None:
        """Let the connections go: in order if they are idle within a moment, else at once."""
        with anyio.CancelScope(shield=True):
            try:
                _ = await self._pool
                await asyncio.wait_for(self._pool.close(), _CLOSING)
            except LOST:
                self._pool.terminate()

    def failed(self, error: BaseException) -> FairdeployError:
        """Return what to raise instead of an error. One of ours is passed on."""
        return error if isinstance(error, FairdeployError) else failure(self.address.uri, error)

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise JournalError(
                f"journal {self.address.uri!r} was opened on another event loop: open it anew on this one"
            )


def refuse_other_loops() -> None:
    """Do nothing on asyncio.

    Raises:
        InvalidInput: On trio, which the driver does not know.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return
    raise InvalidInput(
        "a PostgreSQL journal runs on asyncio only, as its driver does: use SQLiteJournal on trio"
    )

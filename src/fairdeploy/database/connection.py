"""Asking a database. The only module of this room that imports the driver."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fairdeploy.errors import DatabaseError, FairdeployError, InvalidInput, MissingDependency

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import asyncpg

    from fairdeploy.database.address import DatabaseAddress

    Connection: TypeAlias = asyncpg.Connection[Any]

__all__ = ["connected"]

_CONNECT_S: Final = 10.0
_LOCK_TIMEOUT: Final = "2s"
"""Longest wait for a lock. While one of ours waits for a table, everybody else's queries queue up behind it."""
_STATEMENT_TIMEOUT: Final = "15min"


@asynccontextmanager
async def connected(address: DatabaseAddress, *, read_only: bool = False) -> AsyncGenerator[Connection]:
    """Lend a connection, with time-outs on locks and statements.

    Raises:
        MissingDependency: If the extra ``postgres`` is not installed.
        InvalidInput: On trio, which the driver does not know.
        Unbound: If the password cannot be found.
        DatabaseError: If the database cannot be reached, or refuses a statement of the body.
    """
    driver = _driver()
    try:
        connection = await driver.connect(
            address.dsn,
            password=address.secret(),
            timeout=_CONNECT_S,
            statement_cache_size=0,
            server_settings={
                "application_name": "fairdeploy",
                "lock_timeout": _LOCK_TIMEOUT,
                "statement_timeout": _STATEMENT_TIMEOUT,
                "default_transaction_read_only": "on" if read_only else "off",
                # What is compared as text must be written the same way in every session.
                "search_path": "pg_catalog",
                "DateStyle": "ISO, YMD",
                "IntervalStyle": "postgres",
                "TimeZone": "UTC",
                "extra_float_digits": "3",
                "bytea_output": "hex",
            },
        )
        try:
            yield connection
        finally:
            connection.terminate()
    except FairdeployError:
        raise
    except (driver.PostgresError, driver.InterfaceError, driver.InternalClientError) as error:
        failed = _mapped(address, error)
    except (OSError, TimeoutError) as error:
        msg = f"database {address.dsn!r} cannot be reached ({type(error).__name__}): check that it runs and takes connections"
        failed = DatabaseError(msg)
        # A server that was killed is started again by whoever keeps it.
        failed.retryable = True
    else:
        return
    raise failed  # not from the driver's error: the frames that it passed hold the password


def _driver() -> Any:  # noqa: ANN401 -- the driver's module, imported on first use
    try:
        import asyncpg  # noqa: PLC0415 -- of an extra
    except ImportError as error:
        msg = 'a PostgreSQL database needs asyncpg: pip install "fairdeploy[postgres]"'
        raise MissingDependency(msg) from error
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        msg = "a PostgreSQL database can be asked on asyncio only, as its driver runs nowhere else"
        raise InvalidInput(msg) from None
    return asyncpg


def _mapped(address: DatabaseAddress, error: Exception) -> DatabaseError:
    """Return what to raise. The server's own words are kept but for their details, which show rows."""
    code = getattr(error, "sqlstate", None)
    said = address.hide(str(getattr(error, "message", None) or type(error).__name__))
    mapped = DatabaseError(
        f"database {address.dsn!r} refused: {said}" + (f" (SQLSTATE {code})" if code else "")
    )
    # 08 connection, 40 rolled back by the server, 55P03 lock not available, 57 operator, 53 resources; but a disk that is
    # full stays full until somebody makes room, who has to be told now.
    passing = code is None or code[:2] in {"08", "40", "53", "57"} or code == "55P03"
    mapped.retryable = passing and code != "53100"
    return mapped

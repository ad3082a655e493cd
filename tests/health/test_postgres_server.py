"""The PostgreSQL that other tests stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

pytestmark = pytest.mark.anyio


async def test_a_database_is_empty_and_ones_own(postgres: str) -> None:
    """A test can make any table."""
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute("CREATE TABLE found (here int)")
        assert await connection.fetchval("SELECT count(*) FROM found") == 0
    finally:
        await connection.close()


async def test_what_was_committed_outlives_a_kill(postgres_server: PostgresServer, postgres: str) -> None:
    """A server that is killed and started again has what was committed."""
    connection = await asyncpg.connect(postgres)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    postgres_server.kill()
    connection.terminate()
    postgres_server.start()
    again = await asyncpg.connect(postgres)
    try:
        assert await again.fetchval("SELECT number FROM kept") == 7
    finally:
        await again.close()


async def test_a_password_is_asked_for_over_tcp(postgres_server: PostgresServer) -> None:
    """The right one is let in, a wrong one is not."""
    connection = await asyncpg.connect(postgres_server.tcp())
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.tcp(password="wrong"))

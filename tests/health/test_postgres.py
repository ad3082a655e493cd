"""`PostgresCheck`, asked of a real server in every state it can be in."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import asyncpg
import pytest

from fairdeploy.health import run_check
from fairdeploy.model import PostgresCheck, SecretRef, Verdict
from tests.health.serving import NOBODY, answer, hang, listening, until
from tests.ports import free_port
from tests.postgres import Binaries, PostgresServer, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.model import CheckResult

pytestmark = pytest.mark.anyio

ASKED = "PostgreSQL at env 'DSN'"
PASSWORD = "s3cret-p@ss"


@pytest.fixture
def dsn(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give what sets the DSN."""
    return monkeypatch


@pytest.fixture(scope="module")
def small(postgres_binaries: Binaries) -> Iterator[PostgresServer]:
    """Give a server with few connections, which has a replica."""
    with started(postgres_binaries, "max_connections=6", "superuser_reserved_connections=0") as server:
        yield server


@pytest.fixture(scope="module")
def replica(small: PostgresServer) -> Iterator[PostgresServer]:
    """Give a replica of the small server."""
    folder = Path(tempfile.mkdtemp(prefix="fairdeploy-pg-"))
    twin = small.clone(folder)
    try:
        twin.start()
        yield twin
    finally:
        twin.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def _asked(dsn: pytest.MonkeyPatch, text: str, **given: Any) -> CheckResult:  # noqa: ANN401 -- of PostgresCheck
    dsn.setenv("DSN", text)
    return await run_check(PostgresCheck(SecretRef.env("DSN"), **{"timeout_ms": 60_000, **given}), NOBODY)


async def test_a_server_that_is_well_passes(dsn: pytest.MonkeyPatch, postgres_server: PostgresServer) -> None:
    """Over the socket and over TCP with a password; it says what it is and how many connections are left."""
    result = await _asked(dsn, postgres_server.dsn(), role="primary")
    tcp = await _asked(dsn, postgres_server.tcp())

    assert (result.verdict, tcp.verdict) == (Verdict.PASS, Verdict.PASS)
    assert result.message.startswith(f"{ASKED} is a primary with ")


async def test_the_role_is_asked_for(
    dsn: pytest.MonkeyPatch, small: PostgresServer, replica: PostgresServer
) -> None:
    """A primary is no replica, and the other way round."""
    assert (await _asked(dsn, replica.dsn(), role="replica")).verdict is Verdict.PASS
    assert (
        await _asked(dsn, replica.dsn(), role="primary")
    ).message == f"{ASKED} is a replica, expected the primary"
    assert (
        await _asked(dsn, small.dsn(), role="replica")
    ).message == f"{ASKED} is the primary, expected a replica"


async def test_a_primary_that_takes_no_writes_fails(dsn: pytest.MonkeyPatch, postgres: str) -> None:
    """As hosts do to a database whose disk is full."""
    connection = await asyncpg.connect(postgres)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()

    result = await _asked(dsn, postgres, role="primary")

    assert (result.verdict, "takes no writes" in result.message) == (Verdict.FAIL, True)


async def test_a_replica_that_falls_behind_fails(
    dsn: pytest.MonkeyPatch, small: PostgresServer, replica: PostgresServer
) -> None:
    """One that is up to date passes, however long ago anything was written; one that does not replay does not."""

    async def arrived() -> bool:
        return replica.sql("SELECT count(*) FROM pg_class WHERE relname = 'written'").strip() == "1"

    async def late() -> bool:
        return not (await _asked(dsn, replica.dsn(), role="replica", max_lag_ms=0)).healthy

    async def fresh() -> bool:
        return not await late()

    small.sql("CREATE TABLE written (number int)")
    await until(arrived)
    await until(fresh)  # what the primary writes of its own accord arrives a moment before it is replayed
    replica.sql("SELECT pg_wal_replay_pause()")
    try:
        small.sql("INSERT INTO written VALUES (1)")
        await until(late)
        behind = await _asked(dsn, replica.dsn(), role="replica", max_lag_ms=1)
        patient = await _asked(dsn, replica.dsn(), role="replica", max_lag_ms=3_600_000)
    finally:
        replica.sql("SELECT pg_wal_replay_resume()")

    assert (behind.verdict, "behind, expected at most 1 ms" in behind.message) == (Verdict.FAIL, True)
    assert patient.verdict is Verdict.PASS


async def test_a_replica_without_a_primary_fails(
    dsn: pytest.MonkeyPatch, small: PostgresServer, replica: PostgresServer
) -> None:
    """It has replayed all that it was sent, and knows nothing of the rest."""

    async def alone() -> bool:
        return not (await _asked(dsn, replica.dsn(), role="replica", max_lag_ms=60_000)).healthy

    small.kill()
    try:
        await until(alone)
        result = await _asked(dsn, replica.dsn(), role="replica", max_lag_ms=60_000)
        plain = await _asked(dsn, replica.dsn(), role="replica")
    finally:
        small.start()

    assert "receives nothing from a primary" in result.message
    assert plain.verdict is Verdict.PASS


async def test_connections_that_run_out_are_told_before_and_after(
    dsn: pytest.MonkeyPatch, small: PostgresServer
) -> None:
    """Too few left fail; once none is left the check itself gets none, which fails too."""
    held: list[Any] = []

    async def left(said: str | None, verdict: Verdict = Verdict.FAIL, least: int = 3) -> bool:
        found = await _asked(dsn, small.dsn(), min_connections=least)
        return found.verdict is verdict and said in {None, found.message}

    async def holds(number: int) -> bool:
        with suppress(asyncpg.TooManyConnectionsError):
            held.append(await asyncpg.connect(small.dsn()))
        return len(held) >= number

    try:
        # A connection that was closed counts until the server's process for it has ended: each count is awaited.
        await until(partial(left, None, Verdict.PASS))
        await until(partial(holds, 3))
        await until(partial(left, f"{ASKED} has 2 connections left, expected at least 3"))
        await until(partial(holds, 6))
        await until(partial(left, f"{ASKED} has no connection left", least=1))
    finally:
        for connection in held:
            connection.terminate()


async def test_a_server_that_is_killed_fails_and_passes_again_afterwards(
    dsn: pytest.MonkeyPatch, small: PostgresServer
) -> None:
    """Nobody listening is evidence; after the restart all is as before."""
    small.kill()
    try:
        socket_gone = await _asked(dsn, small.dsn())
        port_gone = await _asked(dsn, small.tcp())
    finally:
        small.start()

    assert (socket_gone.verdict, port_gone.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert f"{ASKED} did not accept a connection" in port_gone.message
    assert (await _asked(dsn, small.dsn())).verdict is Verdict.PASS


async def test_a_password_that_is_refused_is_an_error(
    dsn: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    """The server is well: what is wrong is the DSN. So with a database that is not there."""
    password = await _asked(dsn, postgres_server.tcp(password="wrong"))
    database = await _asked(dsn, postgres_server.dsn("nowhere"))

    assert password.message == f"{ASKED} cannot be asked with this DSN: InvalidPasswordError"
    assert (password.verdict, database.verdict) == (Verdict.ERROR, Verdict.ERROR)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"mysql://root:{PASSWORD}@db/app",
        f"postgresql://app:{PASSWORD}@127.0.0.1:port/app",
        f"postgresql://app:{PASSWORD}@nobody.invalid/app",
        f"postgresql://app:{PASSWORD}@127.0.0.1/app?sslmode=perhaps",
    ],
)
async def test_a_dsn_that_is_none_is_no_pass_and_not_shown(dsn: pytest.MonkeyPatch, text: str) -> None:
    """Neither whole nor in part."""
    dsn.setenv("PGHOST", "127.0.0.1")
    dsn.setenv("PGPORT", str(free_port()))
    result = await _asked(dsn, text)

    assert result.verdict in {Verdict.ERROR, Verdict.FAIL}
    assert "s3cret" not in repr(result)
    assert not text or text not in repr(result)


async def test_what_hangs_or_is_no_postgresql_fails(dsn: pytest.MonkeyPatch) -> None:
    """A port that answers nothing, and one that answers in another language."""
    async with listening(hang) as silent, listening(answer(200)) as web:
        hung = await _asked(dsn, f"postgresql://app:{quote(PASSWORD)}@{silent}/app", timeout_ms=200)
        other = await _asked(dsn, f"postgresql://app:{quote(PASSWORD)}@{web}/app")

    assert (hung.verdict, hung.message) == (Verdict.FAIL, f"{ASKED} did not answer within 200 ms")
    assert other.verdict is Verdict.FAIL
    assert "s3cret" not in repr((hung, other))


def test_trio_is_told_that_it_cannot(dsn: pytest.MonkeyPatch) -> None:
    """The library runs on asyncio only, and the message says so."""

    async def ask() -> CheckResult:
        return await _asked(dsn, "postgresql://127.0.0.1/app")

    result = anyio.run(ask, backend="trio")

    assert (result.verdict, "on asyncio only" in result.message) == (Verdict.ERROR, True)

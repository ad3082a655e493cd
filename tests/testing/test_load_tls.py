"""Load over TLS."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from fairdeploy.testing.load import Cause, LoadSettings, generate_load, keep_alive, new_connection, websocket
from tests.testing.load_servers import OK, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


def _server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def _client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def _serving(context: ssl.SSLContext) -> AsyncIterator[str]:
    served = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with suppress(OSError):  # the client has closed already
                await writer.wait_closed()
        finally:
            served -= 1

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
        await until(lambda: not served)  # a server does not wait for those it serves


async def test_requests_go_over_tls(authority: trustme.CA) -> None:
    """With a trusted certificate, persistent and new connections work as in plain."""
    mix = [keep_alive(), new_connection()]
    async with (
        _serving(_server_context(authority)) as url,
        generate_load(
            url, mix=mix, workers=2, settings=LoadSettings(max_requests=40), tls=_client_context(authority)
        ) as load,
    ):
        await load.wait()
    report = load.report()

    assert (report.ok, report.lost) == (40, 0), str(report)


async def test_websockets_go_over_tls(authority: trustme.CA) -> None:
    """A websocket session runs over TLS too."""

    async def echo(session: ServerConnection) -> None:
        async for message in session:
            await session.send(message)

    async with serve(echo, "127.0.0.1", 0, ssl=_server_context(authority)) as server:
        url = f"https://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        settings = LoadSettings(max_requests=3)
        mix = [websocket(messages=2, every=0.0)]
        async with generate_load(
            url, mix=mix, workers=1, settings=settings, tls=_client_context(authority)
        ) as load:
            await load.wait()
    report = load.report()

    assert (report.ok, report.lost) == (3, 0), str(report)


async def test_a_certificate_that_is_not_trusted_is_a_cause(authority: trustme.CA) -> None:
    """A server that cannot prove its name gets no request."""
    async with (
        _serving(_server_context(authority)) as url,
        generate_load(url, workers=1, settings=LoadSettings(max_requests=2)) as load,
    ):
        await load.wait()
    report = load.report()

    assert report.lost_by_cause == {Cause.CONNECT_FAILED: 2}
    assert "CERTIFICATE_VERIFY_FAILED" in report.lost_requests[0].detail

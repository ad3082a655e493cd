"""Connections of an HTTP client, over whatever ends it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import pytest

from fairdeploy.system.web import web_client

if TYPE_CHECKING:
    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio


async def test_a_handshake_that_is_cancelled_leaves_no_connection_open() -> None:
    """A server that takes the first words of TLS and is silent sees the connection end with the question."""
    greeted, ended = anyio.Event(), anyio.Event()

    async def silent(stream: SocketStream) -> None:
        async with stream:
            assert await stream.receive()
            greeted.set()
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
            ended.set()

    async def ask(url: str) -> None:
        with questions:
            async with web_client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client:
                await client.get(url)

    questions = anyio.CancelScope()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database
    with anyio.fail_after(60):
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, silent)
            tasks.start_soon(ask, f"https://127.0.0.1:{port}/")
            await greeted.wait()
            questions.cancel()
            await ended.wait()
            tasks.cancel_scope.cancel()

"""Servers that misbehave in one way each, and what a load makes of them."""

from __future__ import annotations

import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

from fairdeploy.testing.load import LoadSettings, generate_load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import SocketStream

    from fairdeploy.testing.load import LoadReport, Traffic

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-revision: v1\r\n\r\nok"


@asynccontextmanager
async def serving(handler: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """Hand each connection to `handler` and close it afterwards; yields the base URL."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            await handler(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610 -- no Django here
        tasks.cancel_scope.cancel()


async def read_request(stream: SocketStream) -> bytes:
    """Read one request with its body; empty once the client has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            data += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b""
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body


async def answering_politely(stream: SocketStream) -> None:
    """Answer every request with `OK`, until the client closes."""
    while await read_request(stream):
        await stream.send(OK)


async def until(condition: Callable[[], bool], *, within: float = 60.0) -> None:
    """Wait until a condition holds that no event announces; fails after so many seconds."""
    with anyio.fail_after(within):
        while not condition():  # noqa: ASYNC110 -- figures are read, not announced
            await anyio.sleep(0.01)


def reset(stream: SocketStream) -> None:
    """Make the close of a connection a reset."""
    raw: socket.socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 -- no Django here
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def load_of(url: str, traffic: Traffic, *, requests: int = 3, stop_within: float = 60.0) -> LoadReport:
    """Send some requests one after the other."""
    settings = LoadSettings(max_requests=requests, stop_within=stop_within)
    async with generate_load(url, mix=[traffic], workers=1, settings=settings) as load:
        await load.wait()
    return load.report()

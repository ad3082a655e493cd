"""Servers that answer as they are told: well, badly, slowly, never."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.abc
from anyio.streams.tls import TLSListener

from fairdeploy.model import Instance, Target
from fairdeploy.protocols import Subject

if TYPE_CHECKING:
    from anyio.abc import ByteStream, Listener

Reply: TypeAlias = "bytes | Callable[[ByteStream], Awaitable[None]]"
NOBODY = Subject(target=Target("shop"))


def answer(status: int = 200, body: object = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return an answer of HTTP; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {"content-length": str(len(content)), "connection": "close", **(headers or {})}
    lines = [f"HTTP/1.1 {status} so", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    return "\r\n".join(lines).encode() + content


class Always(dict[str, "Reply"]):
    """One reply to every path."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply

    def __missing__(self, path: str) -> Reply:
        """Return it."""
        return self.reply


async def hang(_: ByteStream) -> None:
    """Never answer."""
    await anyio.sleep_forever()


async def trickle(stream: ByteStream) -> None:
    """Begin at once, and never come to an end."""
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        await stream.send(b".")
        await anyio.sleep(0.02)


@dataclass
class Site:
    """A server, and what it was asked."""

    address: str
    secure: bool
    replies: dict[str, Reply]
    asked: list[str] = field(default_factory=list)

    def url(self, path: str = "") -> str:
        """Return the whole address of a path."""
        return f"{'https' if self.secure else 'http'}://{self.address}{path}"


@asynccontextmanager
async def served(replies: Mapping[str, Reply], context: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """Serve replies by path, on a free port of the loopback address."""
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database
    listener: Listener[ByteStream] = plain
    if context is not None:
        listener = TLSListener(plain, ssl_context=context, standard_compatible=False)
    site = Site(f"127.0.0.1:{port}", context is not None, dict(replies))

    async def serve(stream: ByteStream) -> None:
        async with stream:
            with suppress(
                anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, ssl.SSLError
            ):
                request = await _request(stream)
                site.asked.append(request)
                reply = site.replies[request.split(" ", 2)[1].partition("?")[0]]
                if isinstance(reply, bytes):
                    await stream.send(reply)
                else:
                    await reply(stream)

    async with plain, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield site
        tasks.cancel_scope.cancel()


async def _request(stream: ByteStream) -> str:
    """Read a request, its form included."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += await stream.receive()
    head, _, body = text.partition(b"\r\n\r\n")
    if b"100-continue" in head:
        await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += await stream.receive()
    return (head + b"\r\n\r\n" + body).decode(errors="replace")


@asynccontextmanager
async def listening(reply: Reply) -> AsyncIterator[str]:
    """Serve whoever connects, whatever they say, or before they say anything."""
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database

    async def serve(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                if isinstance(reply, bytes):
                    await stream.receive()
                    await stream.send(reply)
                else:
                    await reply(stream)

    async with plain, anyio.create_task_group() as tasks:
        tasks.start_soon(plain.serve, serve)
        yield f"127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


def subject(*addresses: str | None) -> Subject:
    """Return a revision whose instances are at these addresses."""
    instances = tuple(
        Instance(f"i{number}", revision="r", address=address, ready=True)
        for number, address in enumerate(addresses)
    )
    return Subject(target=Target("shop"), revision="r", instances=instances)


async def until(true: Callable[[], Awaitable[bool]], within: float = 90.0) -> None:
    """Wait for something that nobody tells of."""
    with anyio.fail_after(within):
        while not await true():  # noqa: ASYNC110 -- another program's state has no event
            await anyio.sleep(0.05)

"""One question over HTTP, as a probe asks it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import anyio

from fairdeploy.model import CommandProbe, HTTPProbe, TCPProbe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import ByteStream

__all__ = ["AnyProbe", "http"]

AnyProbe: TypeAlias = HTTPProbe | TCPProbe | CommandProbe

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LONGEST = 65_536
_LINGER = 0.1


async def http(probe: HTTPProbe, place: str, connect: Callable[[], Awaitable[ByteStream]]) -> str:
    """Ask over a connection, and return what is wrong with the answer.

    Raises:
        OSError: If there is no connection.
    """
    host = probe.host or place
    head = f"GET {probe.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fairdeploy-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    seen = b""
    async with await connect() as stream:
        await stream.send(head.encode())
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):  # the answer is what came before
            while b"\r\n\r\n" not in seen and len(seen) < _LONGEST:
                seen += await stream.receive()
            with anyio.move_on_after(_LINGER):  # to its end: some servers complain of a client that leaves
                for _ in range(_LONGEST):
                    await stream.receive()
    found = _STATUS.match(seen)
    if found is None:
        return f"GET {probe.path}: no HTTP answer"
    status = int(found[1])
    return "" if 200 <= status < 400 else f"GET {probe.path}: status {status}"

"""One question to Envoy through a private unix socket: small, and quick enough to poll with."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc

from fairdeploy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

__all__ = ["UNREADABLE", "Unreachable", "ask", "opened", "question", "unreadable"]

_ANSWER_S: Final = 5.0
_MAX_PATH: Final = 107  # bytes that fit into sockaddr_un on Linux
_CHUNK: Final = 65_536
_OK: Final = 200
_MOST: Final = 64 * 1024 * 1024
"""Bytes of an answer; the statistics of a thousand places have a tenth of it."""
UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer raises that is none of Envoy's."""


class Unreachable(Exception):
    """Envoy does not answer: it is starting, or does not run."""


def unreadable(what: str, error: Exception) -> RouterError:
    """Return what to raise for an answer that cannot be read."""
    return RouterError(
        f"Envoy's {what} cannot be read ({type(error).__name__}): is it Envoy that answers there?"
    )


async def ask(folder: Path, socket: str, path: str) -> str:
    """Return the answer to ``GET path`` of the Envoy in a folder, asked through one of its sockets.

    Raises:
        Unreachable: If nobody answers there.
        RouterError: If the answer is not 200.
    """
    async with opened(folder, socket) as stream:
        return await question(stream, path)


@asynccontextmanager
async def opened(folder: Path, socket: str) -> AsyncIterator[anyio.abc.ByteStream]:
    """Give a connection to a socket in a folder.

    Raises:
        Unreachable: If nobody listens there.
    """
    try:
        with anyio.fail_after(_ANSWER_S), _reachable(folder, socket) as place:
            stream = await anyio.connect_unix(place)
    except (OSError, TimeoutError) as exc:
        raise Unreachable(f"Envoy in {str(folder)!r} does not answer: {exc}") from exc
    async with stream:
        yield stream


async def question(stream: anyio.abc.ByteStream, path: str, host: str = "envoy") -> str:
    """Return the answer to ``GET path`` on a fresh connection.

    Raises:
        Unreachable: If the connection breaks or nothing comes.
        RouterError: If the answer is not 200.
    """
    try:
        with anyio.fail_after(_ANSWER_S):
            return await _get(stream, path, host)
    except (OSError, TimeoutError, anyio.BrokenResourceError, anyio.EndOfStream) as exc:
        raise Unreachable(f"Envoy did not answer {path!r} ({type(exc).__name__})") from exc


@contextmanager
def _reachable(folder: Path, socket: str) -> Iterator[str]:
    """Give a path to a socket that is short enough, however deep the folder lies."""
    path = str(folder / socket)
    if len(path.encode()) <= _MAX_PATH:
        yield path
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{handle}/{socket}"
        if not os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112 - it is no path of the file system
            raise RouterError(
                f"folder {str(folder)!r} is too long for a unix socket on this system: choose a shorter one"
            )
        yield short
    finally:
        os.close(handle)


async def _get(stream: anyio.abc.ByteStream, path: str, host: str) -> str:
    import h11  # noqa: PLC0415 - comes with httpx; only who asks pays for it

    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=path, headers=[("Host", host), ("Connection", "close")])
    await stream.send((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    status, body = 0, bytearray()
    while len(body) <= _MOST:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as exc:
            raise unreadable("answer", exc) from exc
        match event:
            case h11.Response(status_code=status):
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                break
            case h11.ConnectionClosed():
                raise anyio.EndOfStream
            case _ if event is h11.NEED_DATA:
                connection.receive_data(await _receive(stream))
    else:
        raise RouterError(
            f"Envoy answered {path!r} with more than {_MOST} bytes: is it Envoy that answers there?"
        )
    text = body.decode(errors="replace")
    if status != _OK:
        raise RouterError(f"Envoy answered {path!r} with {status}: {text[:200]!r}")
    return text


async def _receive(stream: anyio.abc.ByteStream) -> bytes:
    try:
        return await stream.receive(_CHUNK)
    except anyio.EndOfStream:
        return b""

"""One question to Envoy through a private unix socket: small, and quick enough to poll with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc

from fairdeploy.errors import RouterError
from fairdeploy.routing._socket import Unreachable, opened

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UNREADABLE", "Unreachable", "ask", "opened", "question", "unreadable"]

_ANSWER_S: Final = 5.0
_CHUNK: Final = 65_536
_OK: Final = 200
_MOST: Final = 64 * 1024 * 1024
"""Bytes of an answer; the statistics of a thousand places have a tenth of it."""
UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer raises that is none of Envoy's."""


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

"""A visitor who knows what became of each connection: HTTP/1.1 by h11, which no pool hides."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.errors import MissingDependency

try:
    import h11
except ImportError as error:
    msg = "'h11' is not installed: pip install \"fairdeploy[local]\""
    raise MissingDependency(msg) from error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import ByteStream

__all__ = ["Answer", "Closed", "Cut", "Visitor", "visitor"]

_CHUNK = 65_536
_TIMEOUT = re.compile(rb"(?:^|[,\s])timeout=(\d{1,6})", re.IGNORECASE)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer.

    Args:
        status: Its status.
        closes: Whether it says that the connection is closed behind it.
        keeps_ms: How long an idle connection is kept, as the answer says; ``None``: it does not.
    """

    status: int
    closes: bool
    keeps_ms: int | None = None


class Cut(ConnectionError):
    """A request was sent and no whole answer came."""


class Closed(ConnectionError):
    """The connection was closed while nothing was asked."""


@final
class Visitor:
    """One connection. Made by `visitor`."""

    def __init__(self, stream: ByteStream, host: str) -> None:
        self._stream = stream
        self._host = host
        self._http = h11.Connection(our_role=h11.CLIENT)

    async def get(self, path: str) -> Answer:
        """Ask, and wait for the whole answer.

        Raises:
            Cut: If it does not come.
        """
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        request = h11.Request(
            method="GET",
            target=path,
            headers=[("host", self._host), ("user-agent", "fairdeploy-rehearsal"), ("accept", "*/*")],
        )
        head = (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        try:
            await self._stream.send(head)
            return await self._answer()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError) as error:
            raise Cut(type(error).__name__) from error
        except h11.RemoteProtocolError as error:
            raise Cut(str(error)) from error

    async def _answer(self) -> Answer:
        found: h11.Response | None = None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                try:
                    data = await self._stream.receive(_CHUNK)
                except anyio.EndOfStream:
                    data = b""
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                found = event
            elif isinstance(event, h11.EndOfMessage) and found is not None:
                kept = next((value for name, value in found.headers if name == b"keep-alive"), b"")
                seconds = _TIMEOUT.search(kept)
                return Answer(
                    status=found.status_code,
                    closes=self._http.their_state is h11.MUST_CLOSE or self._http.our_state is h11.MUST_CLOSE,
                    keeps_ms=int(seconds[1]) * 1000 if seconds else None,
                )
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                message = "the connection ended without an answer"
                raise h11.RemoteProtocolError(message)

    async def stays(self, seconds: float) -> None:
        """Wait, asking nothing.

        Raises:
            Closed: If the other side closes in the meantime, or speaks unasked.
        """
        with anyio.move_on_after(seconds):
            try:
                await self._stream.receive(1)
            except (
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
                anyio.EndOfStream,
                OSError,
            ) as error:
                raise Closed from error
            raise Closed


@asynccontextmanager
async def visitor(address: str) -> AsyncGenerator[Visitor]:
    """Open a connection to ``host:port`` or ``unix:/path``.

    Raises:
        OSError: If it is refused.
    """
    if address.startswith("unix:"):
        stream: ByteStream = await anyio.connect_unix(address.removeprefix("unix:"))
        host = "localhost"
    else:
        name, _, port = address.rpartition(":")
        stream = await anyio.connect_tcp(name.strip("[]"), int(port))
        host = address
    try:
        yield Visitor(stream, host)
    finally:
        await anyio.aclose_forcefully(stream)

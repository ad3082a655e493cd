"""A well-behaved HTTP client with a pool, which never sends a request twice."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairdeploy.testing.load._connection import Connection, NotStarted, connect
from fairdeploy.testing.load.outcomes import Answer, Cause, Loss
from fairdeploy.testing.load.traffic import Post

if TYPE_CHECKING:
    from fairdeploy.testing.load._endpoint import Endpoint
    from fairdeploy.testing.load._sessions import Sessions
    from fairdeploy.testing.load.traffic import Get

__all__ = ["Done", "HTTPClient"]


@dataclass(slots=True)
class Done:
    """What became of one request."""

    result: Answer | Loss | NotStarted
    started: float
    """When its first byte was handed to the kernel (or, without a connection, when the attempt began); monotonic seconds."""
    age: float | None = None
    """Age of its connection when it was written, in seconds; None without a connection."""
    messages: int = 0
    """Echoed websocket messages."""
    handshake: str | None = None
    """Who began the closing handshake of a websocket session that ended with one: client or server."""
    longest_wait: float | None = None
    """The longest wait for an echo within a websocket session, in seconds."""
    answer: Answer | None = None
    """The answer of a request that was lost in spite of one: a wrong echo, a websocket that broke after its handshake."""


class HTTPClient:
    """Sends requests over pooled or new connections.

    The pool opens connections up to its size first and then takes the one that has rested longest, so that all of them
    live; when all are busy it opens more, which are closed again after use.
    """

    def __init__(
        self, endpoint: Endpoint, *, pool_size: int, sessions: Sessions, revision_header: str
    ) -> None:
        self._endpoint = endpoint
        self._pool_size = pool_size
        self._sessions = sessions
        self._revision_header = revision_header
        self._idle: deque[Connection] = deque()
        self._pooled = 0
        self._requests: dict[Get | Post, bytes] = {}
        self.reconnects = 0
        """How often a server had closed an idle connection before a request was written; no request is lost by that."""

    async def perform(self, traffic: Get | Post, number: int) -> Done:
        """Send one request and wait for its end; `number` makes its body unlike all others."""
        visitor = self._sessions.take() if traffic.session else None
        body = _body(traffic.size, number) if isinstance(traffic, Post) else b""
        head = self._head(traffic)
        if visitor is not None and (cookies := visitor.header()):
            head += f"cookie: {cookies}\r\n".encode()
        request = b"%b\r\n%b" % (head, body)
        if isinstance(traffic, Post) or not traffic.fresh:
            done = await self._pooled_exchange(request, traffic.timeout)
        else:
            done = await self._fresh_exchange(request, traffic.timeout)
        answer = done.result
        if isinstance(answer, Answer):
            if visitor is not None:
                visitor.saw(answer.cookies, answer.headers.get(self._revision_header))
            if body and answer.status < 300 and answer.body != body:
                done.answer = answer
                done.result = Loss(
                    Cause.WRONG_BODY,
                    f"{answer.status} with {len(answer.body)} bytes, expected the {len(body)} sent",
                )
        return done

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _head(self, traffic: Get | Post) -> bytes:
        head = self._requests.get(traffic)
        if head is None:
            lines = [
                f"{'POST' if isinstance(traffic, Post) else 'GET'} {traffic.path} HTTP/1.1",
                f"host: {self._endpoint.host}",
            ]
            lines += ["user-agent: fairdeploy-load", "accept: */*"]
            if isinstance(traffic, Post):
                lines += ["content-type: application/octet-stream", f"content-length: {traffic.size}"]
            elif traffic.fresh:
                lines.append("connection: close")
            head = self._requests[traffic] = "".join(f"{line}\r\n" for line in lines).encode()
        return head

    async def _fresh_exchange(self, request: bytes, within: float) -> Done:
        began = time.monotonic()
        connection = await connect(self._endpoint, within=within)
        if not isinstance(connection, Connection):
            return Done(connection, began)
        try:
            return await _exchange(connection, request, began + within)
        finally:
            connection.close()

    async def _pooled_exchange(self, request: bytes, within: float) -> Done:
        began = time.monotonic()
        connection = self._take_idle()
        if connection is not None:
            return await self._exchange_and_keep(connection, request, began + within)
        pooled = self._pooled < self._pool_size
        self._pooled += pooled  # before the wait, so that a burst does not open more
        try:
            connected = await connect(self._endpoint, within=within)
        except BaseException:
            self._pooled -= pooled
            raise
        if not isinstance(connected, Connection):
            self._pooled -= pooled
            return Done(connected, began)
        if pooled:
            return await self._exchange_and_keep(connected, request, began + within)
        try:
            return await _exchange(connected, request, began + within)
        finally:
            connected.close()

    def _take_idle(self) -> Connection | None:
        if self._pooled < self._pool_size:
            return None
        while self._idle:
            connection = self._idle.popleft()
            if connection.idle_and_open():
                return connection
            self._pooled -= 1
            self.reconnects += 1
        return None

    async def _exchange_and_keep(self, connection: Connection, request: bytes, deadline: float) -> Done:
        try:
            return await _exchange(connection, request, deadline)
        finally:
            if connection.reusable:
                self._idle.append(connection)
            else:
                self._pooled -= 1


async def _exchange(connection: Connection, request: bytes, deadline: float) -> Done:
    started = time.monotonic()
    result = await connection.exchange(request, within=max(0.0, deadline - started))
    return Done(result, started, started - connection.opened)


def _body(size: int, number: int) -> bytes:
    mark = b"%d;" % number
    return mark + bytes((97 + number % 26,)) * (size - len(mark))

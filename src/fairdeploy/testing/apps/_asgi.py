"""The application itself: raw ASGI, since a framework would be the slowest part of a load test."""

from __future__ import annotations

import json
import os
import time
from random import Random
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs
from uuid import uuid4

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fairdeploy.testing.apps._options import Options

__all__ = ["App"]

# ASGI's own types: dictionaries whose values depend on their "type" key.
Message: TypeAlias = "MutableMapping[str, object]"
Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"

_A_LONG_TIME_S = 3600.0
_LONGEST_S = 600.0
_MOST_CHUNKS = 10_000


class App:
    """Answers requests as its options say."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._random = Random(options.seed)  # noqa: S311 -- failures that can be repeated, no secret
        self._asked = 0
        self._home = json.dumps({"revision": options.revision, "pid": os.getpid()}).encode()
        self.draining = False
        """Whether answers ask the client to close the connection."""
        self._sockets = 0
        self._no_sockets = anyio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await _lifespan(receive, send)

    async def quiet(self) -> None:
        """Wait until no websocket is open."""
        while self._sockets:
            self._no_sockets = anyio.Event()
            await self._no_sockets.wait()

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        query = parse_qs(bytes(scope["query_string"]).decode("latin-1")) if scope["query_string"] else {}  # type: ignore[call-overload]  # ASGI: bytes
        match scope["path"]:
            case "/":
                await self._take_time()
                await self._answer(send, self._options.fail_status if self._fails() else 200, self._home)
            case "/health":
                await self._health(receive, send)
            case "/slow":
                await anyio.sleep(_number(query, "seconds", 5.0, _LONGEST_S))
                await self._answer(send, 200, self._home)
            case "/stream":
                await self._stream(
                    send,
                    int(_number(query, "chunks", 10, _MOST_CHUNKS)),
                    _number(query, "every", 0.1, _LONGEST_S),
                )
            case "/echo":
                await self._answer(send, 200, await _body(receive), kind=b"application/octet-stream")
            case "/login":
                await self._answer(
                    send,
                    200,
                    self._home,
                    (b"set-cookie", f"session={uuid4().hex}; Path=/; HttpOnly".encode()),
                )
            case "/crash":
                os._exit(3)
            case "/hang":
                time.sleep(_A_LONG_TIME_S)  # noqa: ASYNC251 -- the point: the event loop stands still
            case _:
                await self._answer(send, 404, b'{"error": "no such path"}')

    async def _take_time(self) -> None:
        if self._options.delay_ms:
            await anyio.sleep(self._options.delay_ms / 1000 * (0.5 + self._random.random()))

    def _fails(self) -> bool:
        self._asked += 1
        options = self._options
        if options.fail_every:
            return self._asked % options.fail_every == 0
        return options.fail_percent > 0 and self._random.random() * 100 < options.fail_percent

    async def _health(self, receive: Receive, send: Send) -> None:
        if self._options.ignore_health:
            while (await receive())["type"] != "http.disconnect":  # the prober's patience ends it
                pass
        await self._answer(send, self._options.health_status, b'{"health": %d}' % self._options.health_status)

    def _headers(self, kind: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        headers = [(b"content-type", kind), (b"x-revision", self._options.revision.encode("latin-1")), *more]
        if self.draining:
            headers.append((b"connection", b"close"))
        return headers

    async def _answer(
        self,
        send: Send,
        status: int,
        body: bytes,
        *more: tuple[bytes, bytes],
        kind: bytes = b"application/json",
    ) -> None:
        headers = self._headers(kind, (b"content-length", b"%d" % len(body)), *more)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Send, chunks: int, every: float) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers(b"text/plain")})
        for number in range(chunks):
            await send({"type": "http.response.body", "body": b"chunk %d\n" % number, "more_body": True})
            await anyio.sleep(every)
        await send({"type": "http.response.body", "body": b""})

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if scope["path"] != "/ws":
            await send({"type": "websocket.close", "code": 1008})
            return
        self._sockets += 1
        try:
            await send(
                {
                    "type": "websocket.accept",
                    "headers": [(b"x-revision", self._options.revision.encode("latin-1"))],
                }
            )
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                content = {"text": text} if text is not None else {"bytes": message.get("bytes")}
                await send({"type": "websocket.send", **content})
        finally:
            self._sockets -= 1
            if not self._sockets:
                self._no_sockets.set()


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        piece = message.get("body", b"")
        if isinstance(piece, bytes):
            pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)


def _number(query: dict[str, list[str]], name: str, default: float, most: float) -> float:
    try:
        return min(max(0.0, float(query[name][0])), most)
    except (KeyError, ValueError):
        return default

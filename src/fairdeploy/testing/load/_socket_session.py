"""A websocket session as one request: opening handshake, echoed messages, closing handshake."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import MissingDependency
from fairdeploy.testing.load._client import Done
from fairdeploy.testing.load._connection import connect_failure
from fairdeploy.testing.load.outcomes import Answer, Cause, Loss

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
    from websockets.protocol import State
except ImportError as exc:
    _msg = "websocket traffic needs the 'websockets' library: pip install websockets, or leave websockets out of the mix"
    raise MissingDependency(_msg) from exc

if TYPE_CHECKING:
    from websockets.http11 import Response

    from fairdeploy.testing.load._connection import NotStarted
    from fairdeploy.testing.load._endpoint import Endpoint
    from fairdeploy.testing.load._sessions import Visitor
    from fairdeploy.testing.load.traffic import WebSocket

__all__ = ["WebSocketClient"]

_GOING_AWAY = frozenset({1000, 1001, 1012})


class WebSocketClient:
    """Runs websocket sessions against one endpoint."""

    def __init__(self, endpoint: Endpoint, *, stopping: anyio.Event, revision_header: str) -> None:
        self._endpoint = endpoint
        self._stopping = stopping
        self._revision_header = revision_header

    async def perform(self, traffic: WebSocket, number: int, visitor: Visitor | None) -> Done:
        """Run one session; it ends early, and well, when the generator stops."""
        began = time.monotonic()
        cookies = visitor.header() if visitor is not None else ""
        opened = await self._open(traffic, cookies)
        if not isinstance(opened, ClientConnection):
            return Done(opened, began)
        answer = _handshake_of(opened)
        done = Done(answer, began, age=0.0)
        if visitor is not None:
            visitor.saw(answer.cookies, answer.headers.get(self._revision_header))
        try:
            loss = await self._talk(opened, traffic, number, done)
        finally:
            opened.transport.abort()  # nothing is left to say; after a closing handshake this changes nothing
        if loss is not None:
            done.result, done.answer, done.age = loss, answer, time.monotonic() - began
        return done

    async def _open(self, traffic: WebSocket, cookies: str) -> ClientConnection | Answer | Loss | NotStarted:
        try:
            return await connect(
                f"{self._endpoint.websocket_url}{traffic.path}",
                host=self._endpoint.address,
                port=self._endpoint.port,
                ssl=self._endpoint.tls,
                additional_headers={"cookie": cookies} if cookies else None,
                compression=None,
                proxy=None,
                open_timeout=traffic.timeout,
                close_timeout=traffic.timeout,
                ping_interval=None,
            )
        except InvalidStatus as exc:
            answer = _answer(exc.response)
            if answer.status < 400:
                return Loss(
                    Cause.WEBSOCKET_DROPPED, f"the opening handshake was answered with {answer.status}"
                )
            return answer
        except TimeoutError:
            return Loss(Cause.TIMEOUT, f"no websocket within {traffic.timeout:g} s")
        except OSError as exc:
            return connect_failure(exc)
        except (EOFError, InvalidHandshake) as exc:
            return Loss(Cause.WEBSOCKET_DROPPED, f"in the opening handshake: {type(exc).__name__}: {exc}")

    async def _talk(
        self, session: ClientConnection, traffic: WebSocket, number: int, done: Done
    ) -> Loss | None:
        for index in range(traffic.messages):
            sent = time.monotonic()
            loss = await _echo(session, f"{number}/{index}", traffic.timeout)
            if loss is not None:
                return loss
            done.messages += 1
            done.longest_wait = max(done.longest_wait or 0.0, time.monotonic() - sent)
            if index + 1 < traffic.messages:
                with anyio.move_on_after(traffic.every):
                    await self._stopping.wait()
            if self._stopping.is_set() or session.state is not State.OPEN:
                break
        await session.close()  # bounded by its close_timeout
        if session.close_code not in _GOING_AWAY:
            return Loss(
                Cause.WEBSOCKET_DROPPED,
                f"after {done.messages} messages, closed with {session.close_code}, no closing handshake",
            )
        done.handshake = "server" if session.protocol.close_rcvd_then_sent else "client"
        return None


async def _echo(session: ClientConnection, message: str, within: float) -> Loss | None:
    try:
        with anyio.fail_after(within):
            await session.send(message)
            echo = await session.recv()
    except TimeoutError:
        return Loss(Cause.TIMEOUT, f"no echo of message {message!r} within {within:g} s")
    except ConnectionClosed as exc:
        return Loss(Cause.WEBSOCKET_DROPPED, f"message {message!r} unanswered: {exc}")
    return (
        None
        if echo == message
        else Loss(Cause.WRONG_BODY, f"message {message!r} came back as {str(echo)[:40]!r}")
    )


def _handshake_of(session: ClientConnection) -> Answer:
    response = session.response
    return Answer(101) if response is None else _answer(response)


def _answer(response: Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return Answer(
        response.status_code,
        headers,
        bytes(response.body or b""),
        tuple(response.headers.get_all("set-cookie")),
    )

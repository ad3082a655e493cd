"""Each way to lose a request has its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve

from fairdeploy.testing.load import (
    Answer,
    Cause,
    Get,
    LoadSettings,
    Loss,
    answered_by_app,
    generate_load,
    keep_alive,
    new_connection,
    post,
    websocket,
)
from fairdeploy.testing.load._client import HTTPClient
from fairdeploy.testing.load._endpoint import endpoint_of
from fairdeploy.testing.load._sessions import Sessions
from tests.ports import closed_port
from tests.testing.load_servers import OK, load_of, read_request, reset, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import SocketStream

    from fairdeploy.testing.load import Verdict

pytestmark = pytest.mark.anyio


def _answering(response: bytes, *, then_reset: bool = False) -> Callable[[SocketStream], Awaitable[None]]:
    async def handler(stream: SocketStream) -> None:
        if await read_request(stream):
            if response:
                await stream.send(response)
            if then_reset:
                reset(stream)

    return handler


LOSSES = {
    "closed before an answer": (b"", False, Cause.RESET_BEFORE_RESPONSE),
    "reset before an answer": (b"", True, Cause.RESET_BEFORE_RESPONSE),
    "closed within the headers": (b"HTTP/1.1 200 OK\r\ncontent-le", False, Cause.TRUNCATED),
    "closed within the body": (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", False, Cause.TRUNCATED),
    "closed within a chunk": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nok",
        False,
        Cause.TRUNCATED,
    ),
    "not HTTP": (b"220 mail.example ESMTP\r\n", False, Cause.BAD_RESPONSE),
    "502 of the router": (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", False, Cause.BAD_GATEWAY),
    "503 of the router": (
        b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n",
        False,
        Cause.BAD_GATEWAY,
    ),
    "504 of the router": (
        b"HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n",
        False,
        Cause.BAD_GATEWAY,
    ),
    "404 of the router": (
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        False,
        Cause.ROUTER_ANSWER,
    ),
}


@pytest.mark.parametrize("traffic", [keep_alive(), new_connection()], ids=lambda traffic: str(traffic.kind))
@pytest.mark.parametrize(("response", "then_reset", "cause"), LOSSES.values(), ids=LOSSES)
async def test_a_lost_request_is_recorded_with_its_cause(
    traffic: Get, response: bytes, cause: Cause, *, then_reset: bool
) -> None:
    """Every request to a server that misbehaves is lost, once, for the reason that was seen."""
    async with serving(_answering(response, then_reset=then_reset)) as url:
        report = await load_of(url, traffic)

    assert (report.requests, report.ok, report.app_errors, report.lost, report.in_flight) == (3, 0, 0, 3, 0)
    assert report.lost_by_cause == {cause: 3}
    assert [(one.kind, one.path, one.cause) for one in report.lost_requests] == [
        (traffic.kind, "/", cause)
    ] * 3
    assert all(one.connection_age is not None for one in report.lost_requests)


async def test_a_reset_within_a_body_is_no_answer() -> None:
    """A body that stops in a reset is lost, whether its first bytes or the reset are seen first."""
    async with serving(_answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", then_reset=True)) as url:
        report = await load_of(url, keep_alive())

    assert report.lost == 3
    assert set(report.lost_by_cause) <= {Cause.TRUNCATED, Cause.RESET_BEFORE_RESPONSE}


async def test_nothing_on_the_port_is_refused() -> None:
    """A closed port is its own cause, and there is no connection whose age could be told."""
    with closed_port() as port:
        report = await load_of(f"http://127.0.0.1:{port}", keep_alive())

    assert report.lost_by_cause == {Cause.REFUSED: 3}
    assert report.lost_requests[0].connection_age is None


@pytest.mark.parametrize(
    "traffic", [keep_alive(timeout=0.05), new_connection(timeout=0.05), post(timeout=0.05)]
)
async def test_silence_is_a_timeout(traffic: Get) -> None:
    """A server that never answers costs a request its time and no more."""
    async with serving(lambda _stream: anyio.sleep_forever()) as url:
        report = await load_of(url, traffic)

    assert report.lost_by_cause == {Cause.TIMEOUT: 3}


async def test_a_wrong_echo_is_lost() -> None:
    """A success whose body is not the one that was sent does not count, though its revision is known."""
    async with serving(_answering(OK)) as url:
        report = await load_of(url, post())

    assert report.lost_by_cause == {Cause.WRONG_BODY: 3}
    assert report.by_revision["v1"].lost == 3
    assert report.statuses == {200: 3}


async def test_what_is_unanswered_at_the_end_is_lost() -> None:
    """Stopping waits as long as it may, and counts what is still out."""
    async with serving(lambda _stream: anyio.sleep_forever()) as url:
        report = await load_of(url, keep_alive(), requests=1, stop_within=0.05)

    assert (report.requests, report.lost, report.in_flight) == (1, 1, 0)
    assert report.lost_by_cause == {Cause.UNFINISHED: 1}


async def test_an_error_of_the_application_is_not_lost() -> None:
    """A 5xx with the application's header, and a 500 in any case, are the application's own."""
    async with serving(
        _answering(b"HTTP/1.1 503 Busy\r\nx-revision: v2\r\ncontent-length: 0\r\n\r\n")
    ) as url:
        report = await load_of(url, keep_alive())

    assert (report.app_errors, report.lost) == (3, 0)
    assert report.status_classes == {"5xx": 3}
    assert report.by_revision["v2"].app_errors == 3


@pytest.mark.parametrize(
    ("status", "marked", "verdict"),
    [
        (200, False, "ok"),
        (302, False, "ok"),
        (404, True, "ok"),
        (404, False, Cause.ROUTER_ANSWER),
        (500, False, "app_error"),
        (503, True, "app_error"),
        (503, False, Cause.BAD_GATEWAY),
    ],
)
async def test_answers_are_told_apart_by_status_and_header(
    status: int, verdict: str, *, marked: bool
) -> None:
    """The default classifier asks for the status and for a header that only the application sets."""
    answer = Answer(status, {"x-app": "1"} if marked else {})

    found = answered_by_app("X-App")(answer)

    assert (found.cause if isinstance(found, Loss) else found) == verdict


async def test_the_classifier_can_be_replaced() -> None:
    """A caller who knows better decides what an answer means."""

    def strict(answer: Answer) -> Verdict:
        return Loss(Cause.BAD_GATEWAY, "no answer is good enough") if answer.body == b"ok" else "ok"

    async with (
        serving(_answering(OK)) as url,
        generate_load(url, workers=1, settings=LoadSettings(max_requests=2), classify=strict) as load,
    ):
        await load.wait()

    assert load.report().lost == 2


async def test_an_idle_connection_that_the_server_closes_loses_nothing() -> None:
    """A connection that ended before the request was written is replaced, and counted as a reconnect."""
    closed: list[anyio.Event] = [anyio.Event()]

    async def once(stream: SocketStream) -> None:
        await read_request(stream)
        await stream.send(OK)
        await stream.aclose()
        closed[-1].set()

    async with serving(once) as url:
        client = HTTPClient(endpoint_of(url), pool_size=1, sessions=Sessions(1), revision_header="x-revision")
        for number in range(5):
            done = await client.perform(Get(), number)
            assert isinstance(done.result, Answer)
            await closed[-1].wait()
            closed.append(anyio.Event())
        client.close()

    assert client.reconnects == 4


async def test_connection_close_is_honoured() -> None:
    """After an answer with `Connection: close` the next request takes another connection, and none is lost."""
    connections = 0

    async def handler(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        while await read_request(stream):
            await stream.send(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    async with serving(handler) as url:
        report = await load_of(url, keep_alive(), requests=6)

    assert (report.ok, report.lost, report.reconnects) == (6, 0, 0)
    assert connections == 6


async def test_a_reset_of_a_used_connection_is_lost() -> None:
    """Once a request is written, a reset is a loss, although the connection has served before."""

    async def handler(stream: SocketStream) -> None:
        await read_request(stream)
        await stream.send(OK)
        await read_request(stream)
        reset(stream)

    async with serving(handler) as url:
        settings = LoadSettings(max_requests=4, pool_size=1)
        async with generate_load(url, workers=1, settings=settings) as load:
            await load.wait()
    report = load.report()

    assert (report.ok, report.lost) == (2, 2)
    assert report.lost_by_cause == {Cause.RESET_BEFORE_RESPONSE: 2}


async def _drop(session: ServerConnection) -> None:
    await session.recv()
    session.transport.abort()


async def _refuse_to_answer(session: ServerConnection) -> None:
    await session.recv()
    await session.close(1012)


async def _garble(session: ServerConnection) -> None:
    await session.send(f"{await session.recv()!r} or so")
    await session.wait_closed()


@pytest.mark.parametrize(
    ("handler", "cause"),
    [
        (_drop, Cause.WEBSOCKET_DROPPED),
        (_refuse_to_answer, Cause.WEBSOCKET_DROPPED),
        (_garble, Cause.WRONG_BODY),
    ],
)
async def test_a_websocket_that_breaks_is_lost(
    handler: Callable[[ServerConnection], Awaitable[None]], cause: Cause
) -> None:
    """A session is lost if it breaks without a closing handshake, leaves a message unanswered, or answers wrongly."""
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        report = await load_of(f"http://127.0.0.1:{port}", websocket(every=0.0))

    assert (report.requests, report.lost) == (3, 3)
    assert report.lost_by_cause == {cause: 3}
    assert not report.closing_handshakes


async def test_a_websocket_that_says_goodbye_is_well() -> None:
    """A server that has answered everything may end the session with a closing handshake."""
    gone = anyio.Event()

    async def one_echo(session: ServerConnection) -> None:
        await session.send(await session.recv())
        await session.close(1001)
        gone.set()

    async with serve(one_echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        mix = [websocket(messages=2, every=60.0)]
        async with generate_load(url, mix=mix, workers=1, settings=LoadSettings(max_requests=1)) as load:
            await gone.wait()
    report = load.report()

    assert (report.ok, report.lost) == (1, 0)
    assert report.closing_handshakes == {"server": 1}
    assert report.websocket_messages == 1


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        (b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n", Cause.BAD_GATEWAY),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Cause.WEBSOCKET_DROPPED),
        (b"", Cause.WEBSOCKET_DROPPED),
    ],
)
async def test_a_refused_opening_handshake_is_lost(response: bytes, cause: Cause) -> None:
    """What answers in place of an opening handshake is judged like any answer; none at all is a dropped session."""
    async with serving(_answering(response)) as url:
        report = await load_of(url, websocket())

    assert report.lost_by_cause == {cause: 3}


async def test_a_websocket_to_a_closed_port_is_refused() -> None:
    """A session that finds nothing on the port is refused like any request."""
    with closed_port() as port:
        report = await load_of(f"http://127.0.0.1:{port}", websocket())

    assert report.lost_by_cause == {Cause.REFUSED: 3}

"""The generator keeps its schedule, its bounds and its books."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.errors import InvalidInput, Refused
from fairdeploy.testing.load import (
    Cause,
    Get,
    Load,
    LoadReport,
    LoadSettings,
    Post,
    WebSocket,
    generate_load,
    keep_alive,
    load_process,
    new_connection,
    post,
    slow,
    standard_mix,
    websocket,
)
from fairdeploy.testing.load.traffic import read_mix, to_json
from tests.ports import closed_port
from tests.testing.load_servers import OK, answering_politely, read_request, serving, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import SocketStream

pytestmark = [pytest.mark.anyio, pytest.mark.load]


def _balanced(report: LoadReport) -> bool:
    sums = report.ok + report.app_errors + report.lost + report.in_flight
    kinds = sum(kind.requests for kind in report.kinds.values())
    return report.requests == sums == kinds


async def test_a_stalled_server_does_not_slow_an_open_loop() -> None:
    """Requests go on being started while none is answered: they pile up, and are all answered in the end."""
    resumed = anyio.Event()

    async def stalled(stream: SocketStream) -> None:
        await read_request(stream)
        await resumed.wait()
        await stream.send(OK)

    async with serving(stalled) as url:
        async with generate_load(url, rate=400.0, settings=LoadSettings(max_requests=60)) as load:
            await load.wait()
            piled_up = load.snapshot()
            resumed.set()
        report = load.report()

    assert (piled_up.requests, piled_up.in_flight, piled_up.ok) == (60, 60, 0)
    assert (report.requests, report.ok, report.lost, report.in_flight) == (60, 60, 0, 0)
    assert _balanced(piled_up)
    assert _balanced(report)


async def test_what_exceeds_the_limit_is_counted_as_not_started() -> None:
    """Beyond the limit of requests in flight nothing is sent, nothing is lost, and the shortfall is named."""
    resumed = anyio.Event()

    async def stalled(stream: SocketStream) -> None:
        await read_request(stream)
        await resumed.wait()
        await stream.send(OK)

    async def resume(load: Load) -> None:
        await load.wait()
        resumed.set()

    async with serving(stalled) as url, anyio.create_task_group() as tasks:
        async with generate_load(url, rate=100.0, settings=LoadSettings(max_in_flight=5)) as load:
            tasks.start_soon(resume, load)
            await until(lambda: "in_flight_limit" in load.snapshot().not_started)
        report = load.report()
        assert (report.requests, report.ok, report.lost) == (5, 5, 0)
        assert report.not_started["in_flight_limit"] > 0


async def test_latency_counts_from_when_a_request_was_due() -> None:
    """A stall is seen by all requests that were due within it: latencies hide no waiting."""
    resumed = anyio.Event()

    async def stalled(stream: SocketStream) -> None:
        await read_request(stream)
        await resumed.wait()
        await stream.send(OK)

    async with serving(stalled) as url:
        began = time.monotonic()
        async with generate_load(url, rate=200.0, settings=LoadSettings(max_requests=20)) as load:
            await load.wait()
            await anyio.sleep(0.2)
            ended = time.monotonic()
            resumed.set()
        report = load.report()

    latency = report.kinds["keep_alive"].latency
    assert latency.count == 20
    assert latency.p50 > 0.2 * 0.98
    assert latency.max >= latency.p99 >= latency.p90 >= latency.p50
    assert began <= report.by_revision["v1"].first_started <= report.by_revision["v1"].last_started <= ended


async def test_workers_wait_for_their_answers() -> None:
    """A closed loop never has more requests out than it has workers, and uses as many connections."""
    most = now = connections = 0

    async def counting(stream: SocketStream) -> None:
        nonlocal most, now, connections
        connections += 1
        while await read_request(stream):
            now += 1
            most = max(most, now)
            await anyio.lowlevel.checkpoint()
            now -= 1
            await stream.send(OK)

    async with serving(counting) as url:
        settings = LoadSettings(max_requests=100, pool_size=3)
        async with generate_load(url, workers=3, settings=settings) as load:
            await load.wait()
        report = load.report()

    assert (report.requests, report.ok) == (100, 100)
    assert most <= 3
    assert connections == 3


async def test_leaving_the_block_stops_the_load() -> None:
    """After the block nothing is sent any more, and the report is final."""
    async with serving(answering_politely) as url:
        async with generate_load(url, rate=500.0) as load:
            await until(lambda: load.snapshot().ok >= 20)
            assert load.snapshot().running
            with pytest.raises(Refused, match="still runs"):
                load.report()
        report = load.report()
        await anyio.lowlevel.checkpoint()

        assert load.snapshot() is report
    assert not report.running
    assert report.lost == report.in_flight == 0
    assert report.ok == report.requests >= 20


async def test_an_error_in_the_block_comes_out_as_itself() -> None:
    """The block's own exception is raised, not a group around it, and what was in flight is accounted for."""
    loads: list[Load] = []

    async def failing(url: str) -> None:
        async with generate_load(url, rate=500.0) as load:
            loads.append(load)
            await until(lambda: load.snapshot().in_flight > 0)
            raise KeyError("mine")

    async with serving(lambda _stream: anyio.sleep_forever()) as url:
        with pytest.raises(KeyError, match="mine"):
            await failing(url)
    report = loads[0].report()

    assert report.lost_by_cause == {Cause.UNFINISHED: report.requests}
    assert _balanced(report)


async def test_a_cancelled_block_leaves_a_report() -> None:
    """Cancellation from outside ends the load at once, with everything counted."""
    loads: list[Load] = []
    async with serving(lambda _stream: anyio.sleep_forever()) as url:
        with anyio.CancelScope() as scope:
            async with generate_load(url, rate=500.0) as load:
                loads.append(load)
                await until(lambda: load.snapshot().in_flight > 0)
                scope.cancel()
                await anyio.sleep_forever()
    report = loads[0].report()

    assert report.in_flight == 0
    assert _balanced(report)


async def test_lost_requests_are_kept_up_to_a_limit() -> None:
    """All lost requests are counted, and the first ones are kept one by one."""
    settings = LoadSettings(max_requests=12, max_lost=4)
    with closed_port() as port:
        async with generate_load(f"http://127.0.0.1:{port}", rate=1000.0, settings=settings) as load:
            await load.wait()
    report = load.report()

    assert report.lost == 12
    assert len(report.lost_requests) == 4


async def test_sessions_keep_their_cookies() -> None:
    """A visitor sends back the cookies it was given, and it is noticed when another revision answers it."""
    seen: list[bool] = []

    async def handler(stream: SocketStream) -> None:
        while request := await read_request(stream):
            seen.append(b"cookie: s=1; t=2" in request)
            revision = b"v1" if len(seen) < 4 else b"v2"
            cookies = b"set-cookie: s=1; Path=/\r\nset-cookie: t=2\r\n"
            await stream.send(
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-revision: %b\r\n%b\r\n" % (revision, cookies)
            )

    async with serving(handler) as url:
        settings = LoadSettings(max_requests=6, visitors=1)
        async with generate_load(url, mix=[keep_alive(session=True)], workers=1, settings=settings) as load:
            await load.wait()
    report = load.report()

    assert seen == [False, True, True, True, True, True]
    assert report.session_moves == 1
    assert {name: one.requests for name, one in report.by_revision.items()} == {"v1": 3, "v2": 3}


async def test_the_mix_follows_its_weights_and_seed() -> None:
    """Kinds appear by their weights, in an order that the seed repeats."""

    async def kinds() -> dict[str, int]:
        mix = [keep_alive(weight=3), new_connection(weight=1)]
        async with generate_load(
            url, mix=mix, workers=4, settings=LoadSettings(max_requests=200, seed=7)
        ) as load:
            await load.wait()
        return {name: kind.requests for name, kind in load.report().kinds.items()}

    async with serving(answering_politely) as url:
        first, second = await kinds(), await kinds()

    assert first == second
    assert 110 < first["keep_alive"] < 190


@pytest.mark.parametrize("url", ["http://example.com", "http://10.0.0.1:80", "https://[2001:db8::1]:443"])
async def test_only_loopback_is_loaded(url: str) -> None:
    """Another machine is refused by name, with the way to allow it, before anything is sent."""
    with pytest.raises(Refused, match="allow_hosts"):
        async with generate_load(url, rate=1.0):
            pass
    with pytest.raises(Refused, match="allow_hosts"):
        async with load_process(url, rate=1.0):
            pass


WRONG: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {
    "no scheme": lambda: generate_load("127.0.0.1:80", rate=1.0),
    "a path": lambda: generate_load("http://127.0.0.1/x", rate=1.0),
    "no port number": lambda: generate_load("http://127.0.0.1:x", rate=1.0),
    "no pace": lambda: generate_load("http://127.0.0.1"),
    "two paces": lambda: generate_load("http://127.0.0.1", rate=1.0, workers=1),
    "port 0": lambda: generate_load("http://127.0.0.1:0", rate=1.0),
    "rate 0": lambda: generate_load("http://127.0.0.1", rate=0.0),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
async def test_a_load_that_cannot_be_is_refused(
    make: Callable[[], AbstractAsyncContextManager[object]],
) -> None:
    """Wrong addresses and paces are found before anything is sent."""
    manager = make()

    with pytest.raises(InvalidInput, match=r"expected|give|path"):
        await manager.__aenter__()


BAD_VALUES: dict[str, Callable[[], object]] = {
    "Get(no-slash)": lambda: Get("no-slash"),
    "Get(/a b)": lambda: Get("/a b"),
    "Get(weight=0)": lambda: Get(weight=0),
    "Get(kind=)": lambda: Get(kind=""),
    "Get(timeout=0)": lambda: Get(timeout=0),
    "Post(size=8)": lambda: Post(size=8),
    "WebSocket(messages=0)": lambda: WebSocket(messages=0),
    "LoadSettings(max_requests=0)": lambda: LoadSettings(max_requests=0),
    "LoadSettings(stop_within=-1)": lambda: LoadSettings(stop_within=-1),
    "LoadSettings(revision_header=)": lambda: LoadSettings(revision_header=""),
    "read_mix(keep_alive=lots)": lambda: read_mix("keep_alive=lots"),
    "read_mix(teapot=1)": lambda: read_mix("teapot=1"),
    "read_mix([{type: teapot}])": lambda: read_mix('[{"type": "teapot"}]'),
    "read_mix([1])": lambda: read_mix("[1]"),
    "LoadReport.from_json({requests: 1})": lambda: LoadReport.from_json({"requests": 1}),
}


@pytest.mark.parametrize("make", BAD_VALUES.values(), ids=BAD_VALUES)
def test_wrong_values_are_refused(make: Callable[[], object]) -> None:
    """Values that cannot be right are refused where they are made."""
    with pytest.raises(InvalidInput):
        make()


def test_a_mix_survives_its_json() -> None:
    """What a process is told is what its parent meant; the short form gives the usual kinds."""
    mix = (*standard_mix(), Get("/x", "mine", weight=0.5, fresh=True, session=True, timeout=1.0))

    assert read_mix(json.dumps(to_json(mix))) == mix
    assert read_mix("keep_alive=6, post,websocket=0.1,slow=0.2") == (
        keep_alive(weight=6),
        post(),
        websocket(weight=0.1),
        slow(weight=0.2),
    )


async def test_a_report_survives_its_json() -> None:
    """A report is the same after its way through JSON, and reads well."""
    async with serving(answering_politely) as url:
        settings = LoadSettings(max_requests=5)
        async with generate_load(url, workers=1, mix=[keep_alive(), post()], settings=settings) as load:
            await load.wait()
    report = load.report()

    assert LoadReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert len(LoadReport.from_json(report.to_json(max_lost=0)).lost_requests) == 0
    assert "lost" in str(report)
    assert "revision v1" in str(report)

"""The applications that are deployed in tests behave as they are told."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from websockets.asyncio.client import connect

from fairdeploy.errors import StartError
from fairdeploy.testing.apps.processes import app_process
from fairdeploy.testing.load import (
    Cause,
    LoadSettings,
    generate_load,
    keep_alive,
    new_connection,
    post,
    slow,
    websocket,
)
from tests.testing.load_servers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fairdeploy.testing.apps.processes import AppProcess

pytestmark = [pytest.mark.anyio, pytest.mark.load]


@pytest.fixture
async def polite() -> AsyncIterator[AppProcess]:
    """A polite application of revision v7."""
    async with app_process("polite", "--revision", "v7", "--drain", "0.2") as app:
        yield app


async def _get(app: AppProcess, path: str, *, within: float = 60.0) -> httpx.Response:
    patience = httpx.Timeout(60, read=within)
    async with httpx.AsyncClient(base_url=app.url, timeout=patience) as client:
        return await client.get(path)


async def test_a_polite_app_loses_nothing_under_load(polite: AppProcess) -> None:
    """All kinds of traffic at once come back whole, from the revision that was started."""
    mix = [
        keep_alive(weight=60),
        new_connection(weight=20),
        post(weight=14, size=40_000),
        slow("/slow?seconds=0.3", weight=3),
        websocket(weight=3, messages=3, every=0.05),
    ]
    async with generate_load(
        polite.url, mix=mix, rate=300.0, settings=LoadSettings(max_requests=600)
    ) as load:
        await load.wait()
    report = load.report()

    assert report.lost == 0, str(report)
    assert (report.ok, report.app_errors, report.requests) == (600, 0, 600)
    assert set(report.kinds) == {"keep_alive", "new_connection", "post", "slow", "websocket"}
    assert report.by_revision["v7"].requests == 600
    assert report.closing_handshakes["client"] == report.kinds["websocket"].requests


async def test_a_rude_app_loses_what_it_is_doing() -> None:
    """SIGTERM in the middle of requests cuts them off, and what follows finds nothing on the port."""
    async with app_process("rude") as app:
        settings = LoadSettings(max_seconds=100)
        mix = [keep_alive(timeout=300), slow("/slow?seconds=300", timeout=300)]
        async with generate_load(app.url, mix=mix, rate=100.0, settings=settings) as load:
            await until(lambda: load.snapshot().ok >= 20 and load.snapshot().in_flight > 0)
            app.send_signal(signal.SIGTERM)
            assert await app.wait() == 0
            await until(lambda: load.snapshot().lost_by_cause.get(Cause.REFUSED, 0) > 0)
    report = load.report()

    assert report.lost_by_cause[Cause.RESET_BEFORE_RESPONSE] > 0
    # A connection that the kernel has taken and the application has not yet is reset while it is made.
    assert set(report.lost_by_cause) - {Cause.CONNECT_FAILED} == {Cause.REFUSED, Cause.RESET_BEFORE_RESPONSE}
    assert report.in_flight == 0


async def test_a_polite_app_finishes_what_is_in_flight(polite: AppProcess) -> None:
    """After SIGTERM a slow request is answered, a websocket may say goodbye, and then the process ends well."""
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await _get(polite, "/slow?seconds=0.6"))

    # SIGTERM comes again and again, until it shows: a second one must not cut what the first one lets drain.
    async with connect(polite.url.replace("http", "ws") + "/ws", proxy=None) as session:
        await session.send("one")
        assert await session.recv() == "one"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while (await _get(polite, "/health")).headers.get("connection") != "close":
                polite.send_signal(signal.SIGTERM)
        polite.send_signal(signal.SIGTERM)
        await session.send("two")
        assert await session.recv() == "two"
    with anyio.fail_after(60):
        status = await polite.wait()

    assert [answer.status_code for answer in answers] == [200]
    assert status == 0


async def test_each_path_answers_with_its_revision(polite: AppProcess) -> None:
    """All paths but the ones that end the process carry the revision."""
    async with httpx.AsyncClient(base_url=polite.url, timeout=60) as client:
        answers = {
            path: await client.get(path)
            for path in ("/", "/health", "/slow?seconds=0", "/stream?chunks=3&every=0", "/login", "/nowhere")
        }
        echo = await client.post("/echo", content=b"\x00\xff" * 70_000)

    assert {path: one.status_code for path, one in answers.items()} == {
        path: 404 if path == "/nowhere" else 200 for path in answers
    }
    assert {one.headers["x-revision"] for one in (*answers.values(), echo)} == {"v7"}
    assert answers["/"].json() == {"revision": "v7", "pid": polite.pid}
    assert answers["/stream?chunks=3&every=0"].text == "chunk 0\nchunk 1\nchunk 2\n"
    assert answers["/stream?chunks=3&every=0"].headers["transfer-encoding"] == "chunked"
    assert "session=" in answers["/login"].headers["set-cookie"]
    assert echo.content == b"\x00\xff" * 70_000


async def test_each_so_many_th_request_fails_and_health_stays_green() -> None:
    """With `--fail-every 10` exactly one request in ten fails, by the application's own doing."""
    async with app_process("polite", "--fail-every", "10", "--fail-status", "503") as app:
        async with generate_load(app.url, workers=2, settings=LoadSettings(max_requests=200)) as load:
            await load.wait()
        health = await _get(app, "/health")
    report = load.report()

    assert (report.ok, report.app_errors, report.lost) == (180, 20, 0)
    assert report.status_classes == {"2xx": 180, "5xx": 20}
    assert health.status_code == 200


async def test_a_share_of_requests_fails_as_the_seed_says() -> None:
    """With `--fail-percent` the failures are chance that a seed repeats."""

    async def errors(seed: str) -> int:
        settings = LoadSettings(max_requests=300)
        async with (
            app_process("polite", "--fail-percent", "20", "--seed", seed) as app,
            generate_load(app.url, workers=2, settings=settings) as load,
        ):
            await load.wait()
        return load.report().app_errors

    first, again = await errors("4"), await errors("4")

    assert first == again
    assert 30 < first < 90


async def test_answers_take_their_time() -> None:
    """`--delay-ms` holds the answer of `/` back, by at least half of it, and no other."""
    async with app_process("polite", "--delay-ms", "200") as app:
        began = anyio.current_time()
        assert (await _get(app, "/")).status_code == 200
        assert anyio.current_time() - began >= 0.1
    async with app_process("polite", "--delay-ms", "60000") as app:
        assert (await _get(app, "/health", within=25)).status_code == 200


async def test_health_can_be_bad_or_unanswered() -> None:
    """`--health-status` sets the answer of the health path, `--ignore-health` withholds it; the rest works."""
    async with (
        app_process("polite", "--health-status", "500") as sick,
        app_process("polite", "--ignore-health") as mute,
    ):
        assert (await _get(sick, "/health")).status_code == 500
        assert (await _get(sick, "/")).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            await _get(mute, "/health", within=0.3)
        assert (await _get(mute, "/")).status_code == 200


async def test_crash_ends_the_process(polite: AppProcess) -> None:
    """`/crash` takes the process down without an answer."""
    with pytest.raises(httpx.RemoteProtocolError):
        await _get(polite, "/crash")

    assert await polite.wait() == 3


async def test_hang_stops_everything_but_sigkill(polite: AppProcess) -> None:
    """After `/hang` the process lives and answers nothing, health and SIGTERM included."""
    for path in ("/hang", "/health"):
        with pytest.raises(httpx.ReadTimeout):
            await _get(polite, path, within=0.3)
    polite.send_signal(signal.SIGTERM)
    with anyio.move_on_after(0.3) as patience:
        await polite.wait()
    assert patience.cancelled_caught
    polite.send_signal(signal.SIGKILL)

    assert await polite.wait() == -signal.SIGKILL


async def test_an_app_listens_on_a_unix_socket(tmp_path: Path) -> None:
    """With `--uds` the application answers on a socket in the file system."""
    path = str(tmp_path / "app.sock")
    async with app_process("polite", "--uds", path):
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            answer = await client.get("/")

    assert answer.json()["revision"] == "v1"


async def test_an_app_that_does_not_come_up_says_why() -> None:
    """Wrong use and a late start are errors that carry the last words."""
    with pytest.raises(StartError, match="expected 0 to 100"):
        await app_process("polite", "--fail-percent", "101").__aenter__()
    with pytest.raises(StartError, match=r"within 0\.5 s"):
        await app_process("polite", "--start-delay", "60", within=0.5).__aenter__()


async def test_an_app_says_how_it_is_used() -> None:
    """The command line explains itself."""
    for name in ("polite", "rude"):
        done = await anyio.run_process(
            [sys.executable, "-m", f"fairdeploy.testing.apps.{name}", "--help"], stdin=subprocess.DEVNULL
        )
        assert b"--fail-percent" in done.stdout

"""The generator as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.errors import FairdeployError, Refused
from fairdeploy.testing.load import LoadReport, LoadSettings, keep_alive, load_process
from tests.ports import closed_port
from tests.testing.load_servers import OK, answering_politely, read_request, serving, until

if TYPE_CHECKING:
    from anyio.abc import SocketStream

pytestmark = [pytest.mark.anyio, pytest.mark.load]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_load_process_reports_what_it_did(anyio_backend: str) -> None:
    """A load in a process of its own is watched live and reports at the end, on any event loop."""
    async with serving(answering_politely) as url:
        async with load_process(url, mix=[keep_alive()], rate=200.0) as load:
            await until(lambda: load.snapshot().ok >= 20)
            with pytest.raises(Refused, match="still runs"):
                load.report()
        report = load.report()

    assert report.ok == report.requests >= 20
    assert report.lost == 0
    assert report.started < report.by_revision["v1"].last_started < time.monotonic()


async def test_a_load_process_ends_by_itself_at_its_bound() -> None:
    """A bound reached in the process ends it, and its parent can wait for that."""
    async with serving(answering_politely) as url:
        settings = LoadSettings(max_requests=30)
        async with load_process(url, workers=2, settings=settings) as load:
            with anyio.fail_after(60):
                await load.wait()
            report = load.report()

    assert (report.requests, report.ok) == (30, 30)


async def test_a_load_process_that_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends before its first word is an error before the block."""
    monkeypatch.setattr(sys, "executable", "/bin/false")

    manager = load_process("http://127.0.0.1:1", rate=1.0)

    with pytest.raises(FairdeployError, match=r"did not begin \(exit status 1\)"):
        await manager.__aenter__()


async def test_a_load_process_that_dies_is_no_good_news() -> None:
    """Without its final report a load is an error, never a report of nothing lost."""
    async with serving(answering_politely) as url:
        manager = load_process(url, rate=50.0)
        load = await manager.__aenter__()
        os.kill(load.pid, signal.SIGKILL)

        with pytest.raises(FairdeployError, match="ended without a report"):
            await manager.__aexit__(None, None, None)


async def test_the_blocks_own_outcome_comes_out_of_a_load_process() -> None:
    """An exception of the block is raised as itself, and the process is gone."""
    pids: list[int] = []

    async def failing(url: str) -> None:
        async with load_process(url, rate=50.0) as load:
            pids.append(load.pid)
            raise KeyError("mine")

    async with serving(answering_politely) as url:
        with pytest.raises(KeyError, match="mine"):
            await failing(url)

    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_the_command_prints_its_report() -> None:
    """From a shell, the command runs until its bound, prints what it found, and says by its status if some was lost."""
    argv = [sys.executable, "-m", "fairdeploy.testing.load"]
    async with serving(answering_politely) as url:
        well = await anyio.run_process(
            [*argv, url, "--workers", "2", "--max-requests", "20"], stdin=subprocess.DEVNULL, check=False
        )
        with closed_port() as port:
            lost = await anyio.run_process(
                [*argv, f"http://127.0.0.1:{port}", "--rate", "100", "--seconds", "0.1", "--json"],
                stdin=subprocess.DEVNULL,
                check=False,
            )
        endless = await anyio.run_process([*argv, url, "--rate", "1"], stdin=subprocess.DEVNULL, check=False)

    assert well.returncode == 0
    assert b"20 requests" in well.stdout
    assert lost.returncode == 1
    assert LoadReport.from_json(json.loads(lost.stdout)["report"]).lost > 0
    assert endless.returncode == 2
    assert b"--seconds" in endless.stderr


async def test_a_reader_that_stands_still_does_not_stop_the_load() -> None:
    """The load goes on while nobody reads what its process says, as when the parent is stopped."""
    asked = 0

    async def counting(stream: SocketStream) -> None:
        nonlocal asked
        while await read_request(stream):
            asked += 1
            await stream.send(OK)

    argv = [sys.executable, "-m", "fairdeploy.testing.load"]
    async with serving(counting) as url:
        process = await anyio.open_process(
            [*argv, url, "--rate", "500", "--max-requests", "1000", "--json", "--snapshots", "0.001"],
            stdin=subprocess.DEVNULL,
        )
        try:
            await until(lambda: asked == 1000, within=60)
        finally:
            process.kill()
            await process.aclose()

"""The load generator in a process of its own, so that it and the program under test do not disturb each other."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn, final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.text import TextReceiveStream

from fairdeploy.errors import DeadlineExceeded, FairdeployError, Refused
from fairdeploy.testing.load._endpoint import endpoint_of
from fairdeploy.testing.load.report import LoadReport
from fairdeploy.testing.load.settings import LoadSettings, Pace
from fairdeploy.testing.load.traffic import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from anyio.abc import Process

    from fairdeploy.testing.load.traffic import Traffic

__all__ = ["LoadProcess", "load_process"]

_START_WITHIN_S = 60.0
_LAST_WORDS_WITHIN_S = 30.0
_MAX_LINE = 16 * 1024 * 1024
_MAX_WORDS = 4_000


@final
class LoadProcess:
    """A load that runs, or has run, in a process of its own. Made by `load_process`."""

    def __init__(self, follower: _Follower) -> None:
        self._follower = follower

    @property
    def pid(self) -> int:
        """The process id."""
        return self._follower.process.pid

    def snapshot(self) -> LoadReport:
        """Return the latest figures that the process has sent; they are at most about a quarter of a second old."""
        latest = self._follower.final or self._follower.latest
        if latest is None:
            raise self._follower.failure("has not begun")
        return latest

    def report(self) -> LoadReport:
        """Return the final figures.

        Raises:
            Refused: The load has not stopped yet; leave its `async with` block first, or take a `snapshot()`.
        """
        if self._follower.final is None:
            msg = "the load still runs: leave its 'async with' block before report(), or call snapshot()"
            raise Refused(msg)
        return self._follower.final

    async def wait(self) -> None:
        """Wait until the load has ended by itself: `max_requests` or `max_seconds` was reached, and all answers are in."""
        await self._follower.silent.wait()


class _Follower:
    """Hears what a load process says, and ends it."""

    def __init__(self, process: Process) -> None:
        """Follow a process that has just started."""
        self.process = process
        self.latest: LoadReport | None = None
        self.final: LoadReport | None = None
        self._begun = anyio.Event()
        self.silent = anyio.Event()
        self._words = ""

    def complain(self) -> NoReturn:
        """Say that the final report is missing."""
        if self.process.returncode is None:
            msg = f"the load process {self.process.pid} gave no report in its time and was killed; its figures are lost"
            raise DeadlineExceeded(msg)
        raise self.failure("ended without a report")

    def failure(self, what: str) -> FairdeployError:
        said = f"; it said: {self._words.strip()}" if self._words.strip() else ""
        return FairdeployError(
            f"the load process {self.process.pid} {what} (exit status {self.process.returncode}){said}"
        )

    async def listen(self) -> None:
        if self.process.stdout is None:
            return
        lines = BufferedByteReceiveStream(self.process.stdout)
        try:
            while True:
                message = json.loads(await lines.receive_until(b"\n", _MAX_LINE))
                report = LoadReport.from_json(message["report"])
                self.latest = report
                if message["type"] == "report":
                    self.final = report
                self._begun.set()
        except (anyio.EndOfStream, anyio.IncompleteRead):
            return  # it has nothing more to say; whether that was too little, `load_process` decides
        finally:
            self._begun.set()
            self.silent.set()

    async def overhear(self) -> None:
        if self.process.stderr is not None:
            async for words in TextReceiveStream(self.process.stderr, errors="replace"):
                self._words = (self._words + words)[-_MAX_WORDS:]

    async def start(self) -> None:
        with anyio.move_on_after(_START_WITHIN_S):
            await self._begun.wait()
        if self.latest is None:
            with anyio.move_on_after(1.0):
                await self.process.wait()
            raise self.failure("did not begin")

    async def stop(self, within: float) -> None:
        """Close its stdin and wait for the final report, as long as that may take."""
        if self.process.stdin is not None:
            await self.process.stdin.aclose()
        with anyio.move_on_after(within):
            await self.silent.wait()
            await self.process.wait()


@asynccontextmanager
async def load_process(
    url: str,
    *,
    mix: Sequence[Traffic] = (),
    rate: float | None = None,
    workers: int | None = None,
    settings: LoadSettings | None = None,
    allow_hosts: Collection[str] = (),
) -> AsyncIterator[LoadProcess]:
    """Load a server from another process while the block runs; the same as `generate_load`, on any event loop.

    The process ends with the block, and also when this program dies: its standard input closes. Times in the report are
    comparable with `time.monotonic()` here.

    Args:
        url: Base URL, such as `http://127.0.0.1:8080`.
        mix: Kinds of traffic with weights; by default keep-alive GETs of `/`.
        rate: Open loop: requests per second.
        workers: Closed loop: so many requests at a time.
        settings: Bounds and header names.
        allow_hosts: Hosts beyond loopback that may be loaded.

    Raises:
        InvalidInput: A value cannot be right.
        Refused: The host is not loopback.
        DeadlineExceeded: The process gave no report in its time and was killed.
        FairdeployError: The process failed; its last words are in the message.
    """
    Pace(rate=rate, workers=workers)
    settings = settings or LoadSettings()
    endpoint_of(url, allow_hosts=allow_hosts)
    argv = [sys.executable, "-m", "fairdeploy.testing.load", url, "--json", "--snapshots", "0.25"]
    argv += ["--rate", repr(rate)] if rate is not None else ["--workers", repr(workers)]
    argv += ["--settings", json.dumps(asdict(settings))]
    for host in allow_hosts:
        argv += ["--allow-host", host]
    if mix:
        argv += ["--mix", json.dumps(to_json(mix))]
    process = await anyio.open_process(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    follower = _Follower(process)
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as listeners:
            listeners.start_soon(follower.listen)
            listeners.start_soon(follower.overhear)
            try:
                await follower.start()
                yield LoadProcess(follower)
                await follower.stop(settings.stop_within + _LAST_WORDS_WITHIN_S)
                if follower.final is None:
                    follower.complain()
            except (GeneratorExit, anyio.get_cancelled_exc_class()):
                raise
            except BaseException as exc:  # noqa: BLE001 -- raised again below, so that it does not come out in a group
                failure = exc
            listeners.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True), anyio.move_on_after(_LAST_WORDS_WITHIN_S):
            await process.aclose()
    if failure is not None:
        raise failure

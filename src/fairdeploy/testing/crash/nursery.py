"""Programs that are stopped, killed and woken at a boundary, as whoever starts them sees it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from fairdeploy.errors import DeadlineExceeded, FairdeployError
from fairdeploy.testing.crash._child import Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from anyio.abc import Process

    from fairdeploy.testing.crash.house import Housing

__all__ = ["Mortal", "Nursery", "nursery"]

_BEGIN_WITHIN = 60.0
_END_WITHIN = 60.0
_MAX_LINE = 65_536


@final
class Mortal:
    """A program that deploys. Made by `Nursery.begin`.

    Attributes:
        pid: Its process id.
        boundaries: Those it has come to, in order.
        said: What it had to say at its end, if its rollout did not end as it wished.
        status: Its exit status, once it has ended; negative for a signal.
    """

    def __init__(self, pid: int, house: Nursery) -> None:
        self.pid = pid
        self.boundaries: list[str] = []
        self.said = ""
        self.status: int | None = None
        self._house = house
        self._here = False
        self._stopped = False
        self._changed = anyio.Event()

    def hear(self, line: Mapping[str, object]) -> None:
        """Take in what it, or its nursery, says."""
        match line:
            case {"at": str(boundary), "here": bool(here)}:
                self.boundaries.append(boundary)
                self._here = self._here or here
            case {"stopped": _}:
                self._stopped = True
            case {"said": str(words)} | {"crashed": str(words)}:
                self.said = words
            case {"ended": _, "status": int(status)}:
                self.status = status
            case _:
                return
        self._changed.set()

    async def reached(self, within: float) -> str:
        """Return the boundary at which it stands still, or nothing if it has ended before.

        Raises:
            DeadlineExceeded: If neither comes about; it is killed.
        """
        await self._until(lambda: (self._here and self._stopped) or self.status is not None, within)
        return self.boundaries[-1] if self.status is None else ""

    async def kill(self) -> None:
        """SIGKILL, wherever it is."""
        await self._house.send(self.pid, signal.SIGKILL)
        await self._until(lambda: self.status is not None, _END_WITHIN)

    async def wake(self) -> None:
        """SIGCONT."""
        await self._house.send(self.pid, signal.SIGCONT)

    async def ended(self, within: float) -> int:
        """Wait for its end and return its exit status.

        Raises:
            DeadlineExceeded: If it does not come; it is killed.
        """
        await self._until(lambda: self.status is not None, within)
        return self.status or 0

    async def _until(self, so: Callable[[], bool], within: float) -> None:
        with anyio.move_on_after(within) as scope:
            while not so():
                self._changed = anyio.Event()
                await self._changed.wait()
        if scope.cancelled_caught:
            await self._house.send(self.pid, signal.SIGKILL)
            last = self.boundaries[-1] if self.boundaries else "its beginning"
            msg = f"the program {self.pid} did not come on within {within:g} s after {last!r}, and was killed"
            raise DeadlineExceeded(msg)


@final
class Nursery:
    """Where programs come from. Made by `nursery`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._born: deque[Mortal] = deque()
        self._living: dict[int, Mortal] = {}
        self._begun = anyio.Event()
        self._changed = anyio.Event()

    async def begin(
        self, story: str, version: str, *, stop_at: str | int | None = None, lease: float = 15.0
    ) -> Mortal:
        """Begin a program.

        Args:
            story: A key of `STORIES`, or ``"recover"``.
            version: Of the release that it deploys.
            stop_at: At which boundary it is to stand still: its name, or its place counted from 1.
            lease: Time to live of its leases, in seconds, at least 1.

        Raises:
            FairdeployError: If the nursery has ended.
        """
        task = Task(story=story, version=version, stop_at=stop_at, lease=lease)
        await self._order({"task": asdict(task)})
        while not self._born:
            if self._process.returncode is not None:
                raise FairdeployError("the nursery has ended: its standard error says why")
            self._changed = anyio.Event()
            await self._changed.wait()
        return self._born.popleft()

    async def send(self, pid: int, number: int) -> None:
        """Send a signal to a program, unless it has ended."""
        await self._order({"signal": int(number), "to": pid})

    async def _order(self, order: Mapping[str, object]) -> None:
        if self._process.stdin is None:
            raise AssertionError
        await self._process.stdin.send(json.dumps(order).encode() + b"\n")

    async def listen(self) -> None:
        """Hear what it says, until it has ended."""
        if self._process.stdout is None:
            raise AssertionError
        lines = BufferedByteReceiveStream(self._process.stdout)
        early: dict[int, list[Mapping[str, object]]] = {}
        try:
            while True:
                self._hear(json.loads(await lines.receive_until(b"\n", _MAX_LINE)), early)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError):
            return
        finally:
            self._begun.set()
            self._changed.set()

    def _hear(self, line: Mapping[str, object], early: dict[int, list[Mapping[str, object]]]) -> None:
        match line:
            case {"ready": True}:
                self._begun.set()
            case {"born": int(pid)}:
                mortal = self._living[pid] = Mortal(pid, self)
                for each in early.pop(pid, []):
                    mortal.hear(each)
                self._born.append(mortal)
                self._changed.set()
            case {"stopped": int(pid)} | {"ended": int(pid)} | {"pid": int(pid)}:
                # A child may be heard before its parent has told that it is born.
                (
                    self._living[pid].hear(line)
                    if pid in self._living
                    else early.setdefault(pid, []).append(line)
                )
                if "ended" in line:
                    self._living.pop(pid, None)
            case _:
                pass

    async def ready(self) -> None:
        """Wait until it can begin programs.

        Raises:
            FairdeployError: If it cannot.
        """
        with anyio.move_on_after(_BEGIN_WITHIN):
            await self._begun.wait()
            if self._process.returncode is None:
                return
        raise FairdeployError("the nursery did not begin: its standard error says why")


@asynccontextmanager
async def nursery(housing: Housing) -> AsyncIterator[Nursery]:
    """Keep a nursery while the block runs; what it has begun and still runs is killed in the end.

    It has imported everything already, so that a program costs a fork instead of a second.

    Args:
        housing: Where its programs deploy.

    Yields:
        The nursery.

    Raises:
        FairdeployError: If it does not begin.
    """
    argv = [sys.executable, "-m", "fairdeploy.testing.crash", housing.name, *housing.words]
    process = await anyio.open_process(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, start_new_session=True
    )
    kept = Nursery(process)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.listen)
        try:
            await kept.ready()
            yield kept
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_END_WITHIN):
                if process.stdin is not None:
                    await process.stdin.aclose()
                await process.wait()
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True), anyio.move_on_after(_END_WITHIN):
                await process.aclose()
            tasks.cancel_scope.cancel()

"""A thread that does what many tasks ask for, all that waits in one go."""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar, final

import anyio
import anyio.to_thread
from anyio.lowlevel import checkpoint, current_token

from fairdeploy.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.lowlevel import EventLoopToken

__all__ = ["AnyJob", "Clerk", "Desk", "Job"]

_AT_ONCE = 256
C = TypeVar("C")
T = TypeVar("T")


@final
class Job(Generic[C, T]):
    """Something asked for, and what came of it."""

    def __init__(self, work: Callable[[C], T]) -> None:
        self._work = work
        self._value: T | None = None
        self._error: BaseException | None = None
        self._done = anyio.Event()
        self.token = current_token()

    def run(self, at: C) -> None:
        """Do it."""
        self._value = self._work(at)

    def fail(self, error: BaseException) -> None:
        """Let it count as failed, whatever became of it; the first reason stays."""
        self._error = self._error or error

    def wake(self) -> None:
        """Let who waits for it go on; for the thread of its event loop."""
        self._done.set()

    async def outcome(self) -> T:
        """Wait for it, and return what it returned."""
        # It is done whether anybody waits or not: a caller that left early could not tell.
        with anyio.CancelScope(shield=True):
            await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set by `run`, which has returned


AnyJob: TypeAlias = "Job[C, object]"


class Clerk(Protocol[C]):
    """What a desk's thread does: opened, used and closed in that thread only."""

    def open(self) -> C:
        """Open what the jobs work on."""
        ...

    def work(self, at: C, jobs: Sequence[AnyJob[C]]) -> None:
        """Do all these jobs; each has run or failed when it returns."""
        ...

    def close(self, at: C) -> None:
        """Close it."""
        ...


@final
class Desk(Generic[C]):
    """One thread, started with its first job, that answers tasks of any event loop.

    Args:
        name: Of the thread.
        clerk: What it does.
    """

    def __init__(self, name: str, clerk: Clerk[C]) -> None:
        self._name = name
        self._clerk = clerk
        self._jobs: queue.SimpleQueue[AnyJob[C] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closed = False
        # Reentrant: a finalizer may stop the desk in the middle of anything.
        self._guard = threading.RLock()

    async def ask(self, work: Callable[[C], T]) -> T:
        """Have something done, in the order of asking.

        Cancelled before it is asked for, it is never done; once asked for, it is waited for.

        Raises:
            JournalError: If the desk is closed, or was opened before this process was forked.
        """
        await checkpoint()
        job = Job[C, T](work)
        with self._guard:
            self._start()
            self._jobs.put(job)  # type: ignore[arg-type]  # a queue of jobs with any answer
        return await job.outcome()

    def stop(self) -> None:
        """End the thread after what it has been asked for so far. Does not wait; again does nothing."""
        with self._guard:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)

    async def close(self) -> None:
        """Stop, and wait until everything asked for is done and closed."""
        self.stop()
        if self._thread is not None and self._process == os.getpid():
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._thread.join)

    def _start(self) -> None:
        if self._process != os.getpid():
            raise JournalError(f"{self._name} was opened before this process was forked: open it anew here")
        if self._closed:
            raise JournalError(f"{self._name} is closed: open it anew")
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._clerk, self._jobs), name=self._name, daemon=True
            )
            self._thread.start()


def _serve(clerk: Clerk[C], jobs: queue.SimpleQueue[AnyJob[C] | None]) -> None:
    at: C | None = None
    try:
        going = True
        while going:
            batch, going = _collect(jobs)
            try:
                if batch and at is None:
                    at = clerk.open()
                if at is not None:
                    clerk.work(at, batch)
            except BaseException as error:  # noqa: BLE001 -- it belongs to those who wait, not to this thread
                for job in batch:
                    job.fail(error)
            _answer(batch)
    finally:
        if at is not None:
            clerk.close(at)


def _collect(jobs: queue.SimpleQueue[AnyJob[C] | None]) -> tuple[list[AnyJob[C]], bool]:
    """Wait for a job and return it with those behind it, and whether there may be more."""
    batch: list[AnyJob[C]] = []
    job = jobs.get()
    while job is not None:
        batch.append(job)
        if len(batch) == _AT_ONCE:
            return batch, True
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return batch, True
    return batch, False


def _answer(batch: Sequence[AnyJob[C]]) -> None:
    """Wake those who wait, each in its event loop."""
    by_loop: dict[int, tuple[EventLoopToken, list[AnyJob[C]]]] = {}
    for job in batch:
        by_loop.setdefault(id(job.token.native_token), (job.token, []))[1].append(job)
    for token, jobs in by_loop.values():
        _post(token, jobs)


def _post(token: EventLoopToken, jobs: Sequence[AnyJob[C]]) -> None:
    def wake() -> None:
        for job in jobs:
            job.wake()

    # Not `anyio.from_thread`: it waits for the loop, and for ever if that has just ended.
    loop = token.native_token
    post = getattr(loop, "call_soon_threadsafe", None) or getattr(loop, "run_sync_soon")  # noqa: B009 -- by what it has
    try:
        post(wake)
    except RuntimeError:
        return  # the loop has ended, and everybody in it

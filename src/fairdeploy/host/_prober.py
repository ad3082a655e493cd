"""Probes that go on between two looks: an instance that hangs must not hold up whoever looks."""

from __future__ import annotations

import concurrent.futures
import threading
from functools import partial
from typing import TYPE_CHECKING, final

import anyio
import anyio.to_thread
from anyio.from_thread import BlockingPortal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ["Prober"]

_START_SECONDS = 10


@final
class Prober:
    """Asks instances from a thread of its own, started with the first question.

    The thread is a plain resource: whoever asks may leave in another task than the one that entered, and a
    program that forgets to close it can still end.
    """

    def __init__(self) -> None:
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None

    def ask(self, question: Callable[[], Awaitable[str]]) -> concurrent.futures.Future[str]:
        """Begin to ask, and return what will hold why the instance is not well."""
        if self._portal is None:
            self._portal = self._start()
        return self._portal.start_task_soon(question)

    async def wait(self, answers: Iterable[concurrent.futures.Future[str]], seconds: float) -> None:
        """Wait until all answers are there, or so long."""
        waiting = partial(concurrent.futures.wait, list(answers), seconds)
        await anyio.to_thread.run_sync(waiting, abandon_on_cancel=True)

    async def aclose(self) -> None:
        """Stop asking; again does nothing."""
        portal, thread = self._portal, self._thread
        self._portal = self._thread = None
        if portal is not None and thread is not None:
            portal.start_task_soon(portal.stop, True)  # noqa: FBT003 -- cancel what is being asked
            await anyio.to_thread.run_sync(partial(thread.join, _START_SECONDS))

    def _start(self) -> BlockingPortal:
        made: concurrent.futures.Future[BlockingPortal] = concurrent.futures.Future()

        async def serve() -> None:
            async with BlockingPortal() as portal:
                made.set_result(portal)
                await portal.sleep_until_stopped()

        self._thread = threading.Thread(
            target=anyio.run, args=(serve,), name="fairdeploy probes", daemon=True
        )
        self._thread.start()
        return made.result(_START_SECONDS)

"""Tell a throw-away instance to stop while it is asked, and count what becomes of the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

import anyio
import anyio.lowlevel

from fairdeploy.preflight._wire import Answer, Closed, Cut, Visitor, visitor
from fairdeploy.validation import Idle, Stop

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Release

__all__ = ["Replica", "drained", "kept"]

_BUSY = 6
"""Connections that ask one request after the other."""
_IDLE = 2
"""Connections that wait, as in a router's pool."""
_BEFORE = 0.3
"""Seconds of load before the signal."""
_EAGER = 0.1
"""Seconds after the signal in which nobody pauses: a router that has just been told still sends."""
_PAUSE = 0.02
_NEW_EVERY = 0.05
_MARGIN_MS = 300
"""How much longer than the router an instance must keep an idle connection to be watched no more."""
_KILL = 5.0


class Replica(Protocol):
    """A throw-away instance: nobody else uses it, and it is gone afterwards."""

    @property
    def address(self) -> str:
        """Where it listens: ``host:port`` or ``unix:/path``."""
        ...

    async def ask_to_stop(self) -> None:
        """Send it the stop signal of its release."""
        ...

    async def ended(self) -> int | None:
        """Wait until it has ended; return its status, negative for a signal, ``None`` if that is not known."""
        ...

    async def kill(self) -> None:
        """End it at once, with everything that it has started."""
        ...

    def last_words(self) -> tuple[str, ...]:
        """Return the last lines that it wrote."""
        ...

    def memory(self) -> int | None:
        """Return the bytes of memory that it uses, children included; ``None``: unknown."""
        ...


async def kept(replica: Replica, path: str, router_ms: int) -> Idle | None:
    """Watch how long an idle connection is kept; ``None`` if connections are not kept at all.

    Raises:
        OSError: If it refuses connections, or does not answer.
    """
    watch = router_ms + _MARGIN_MS
    async with visitor(replica.address) as connection:
        answer = await connection.get(path)
        if answer.closes:
            return None
        if answer.keeps_ms is not None:
            return Idle(router_ms=router_ms, closed_ms=answer.keeps_ms, watched_ms=0)
        began = anyio.current_time()
        try:
            await connection.stays(watch / 1000)
        except Closed:
            return Idle(router_ms=router_ms, closed_ms=_since(began), watched_ms=watch)
    return Idle(router_ms=router_ms, closed_ms=None, watched_ms=watch)


async def drained(replica: Replica, release: Release, path: str) -> Stop:
    """Ask a ready instance under a small load to stop, and tell what it did. It has ended afterwards."""
    count = _Count(release)
    grace = release.stop_grace_ms / 1000
    async with anyio.create_task_group() as tasks:
        for number in range(_BUSY + _IDLE):
            tasks.start_soon(_old, replica, path, count, number < _BUSY)
        await anyio.sleep(_BEFORE)
        count.at = anyio.current_time()
        count.in_flight = count.under_way
        count.told.set()
        await replica.ask_to_stop()
        tasks.start_soon(_new, replica, path, count)
        with anyio.move_on_after(grace):
            count.exit_code = await replica.ended()
            count.exited_ms = _since(count.at)
        if count.exited_ms is None:
            await replica.kill()
            with anyio.move_on_after(_KILL):
                await replica.ended()
        # What it has sent before it ended is still read; nothing more can come.
        with anyio.move_on_after(_EAGER):
            await count.settled.wait()
        tasks.cancel_scope.cancel()
    return count.stop()


@final
class _Count:
    """What was counted so far."""

    def __init__(self, release: Release) -> None:
        self.told = anyio.Event()
        self.settled = anyio.Event()
        self.at = 0.0
        self.under_way = 0
        self.open = _BUSY + _IDLE
        self.in_flight = self.answered = self.later = self.later_lost = 0
        self.announced = self.silent = self.accepted = 0
        self.refused_ms: int | None = None
        self.exited_ms: int | None = None
        self.exit_code: int | None = None
        self._release = release

    def stop(self) -> Stop:
        """Return the figures."""
        return Stop(
            signal=self._release.stop_signal,
            grace_ms=self._release.stop_grace_ms,
            in_flight=self.in_flight,
            answered=self.answered,
            later=self.later,
            later_lost=self.later_lost,
            announced=self.announced,
            silent=self.silent,
            accepted=self.accepted,
            refused_ms=self.refused_ms,
            exited_ms=self.exited_ms,
            exit_code=self.exit_code,
        )

    async def ask(self, connection: Visitor, path: str) -> Answer:
        """Ask once, and book what became of it."""
        later = self.told.is_set()
        self.under_way += 1
        try:
            answer = await connection.get(path)
        except Cut:
            if later:
                self.later += 1
                self.later_lost += 1
            raise
        finally:
            self.under_way -= 1
        if later:
            self.later += 1
        elif self.told.is_set():
            self.answered += 1
        if self.told.is_set() and answer.closes:
            self.announced += 1
        return answer


async def _old(replica: Replica, path: str, count: _Count, busy: bool) -> None:  # noqa: FBT001 -- `start_soon` passes by place
    """Use a connection from before the signal until it is closed; before the signal, open another then."""
    try:
        while not await _while_open(replica, path, count, busy=busy):
            await anyio.lowlevel.checkpoint()
    finally:
        count.open -= 1
        if not count.open:
            count.settled.set()


async def _while_open(replica: Replica, path: str, count: _Count, *, busy: bool) -> bool:
    """Use one connection; return whether the signal had been sent when it was closed."""
    opening = _opened(replica)
    try:
        async with opening as connection:
            while True:
                answer = await count.ask(connection, path)
                if answer.closes:
                    return count.told.is_set()
                if not count.told.is_set() and not busy:
                    await _until_told(connection, count)
                elif count.told.is_set() and anyio.current_time() - count.at > _EAGER:
                    await connection.stays(_PAUSE)
    except Closed:
        count.silent += count.told.is_set()
    except OSError:
        pass  # refused, or cut: what was asked is booked
    return count.told.is_set()


def _opened(replica: Replica) -> AbstractAsyncContextManager[Visitor]:
    return visitor(replica.address)


async def _until_told(connection: Visitor, count: _Count) -> None:
    while not count.told.is_set():
        await connection.stays(_PAUSE)


async def _new(replica: Replica, path: str, count: _Count) -> None:
    """Open new connections until the first one is refused."""
    while True:
        try:
            async with visitor(replica.address) as connection:
                await connection.get(path)
                count.accepted += 1
        except Cut:
            pass  # accepted by the system, never by the instance
        except OSError:
            count.refused_ms = _since(count.at)
            return
        await anyio.sleep(_NEW_EVERY)


def _since(began: float) -> int:
    return round((anyio.current_time() - began) * 1000)

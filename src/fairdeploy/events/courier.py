"""Takes news from a journal to sinks, each at its own pace."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

import anyio
import anyio.to_thread

from fairdeploy.errors import InvalidInput, NotificationError
from fairdeploy.events.noticing import notice_of
from fairdeploy.events.positions import Positions
from fairdeploy.model import _check

if TYPE_CHECKING:
    from fairdeploy.model import Event, Plan, RolloutId
    from fairdeploy.protocols import EventSink, Journal

__all__ = ["Courier"]

_LOG = logging.getLogger("fairdeploy")
_LOOK_S = 0.5
"""Seconds between two looks for what other programs have written."""
_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_LAST_S = 5.0
"""Longest time to deliver what is left when the block ends; the rest is delivered by whoever follows next."""


@final
class Courier:
    """Delivers what a journal holds to sinks, at least once, in order, from where each was left.

    It reads the journal and writes nothing there: no rollout ever waits for it. Each sink has a task and a durable
    position of its own, so that one that is down keeps no other waiting. One process should follow at a time; two
    deliver twice.

    Args:
        journal: What is followed.
        sinks: Where it is delivered; their names must differ.
        folder: Where positions are kept.
        from_start: Whether a sink without a position is told all that the journal holds, and not only what comes.

    Raises:
        InvalidInput: If there is no sink, or two have one name.
    """

    def __init__(
        self, journal: Journal, sinks: Sequence[EventSink], *, folder: str | Path, from_start: bool = False
    ) -> None:
        names = [_check.name(sink.name, "a sink") for sink in sinks]
        if not names or len(set(names)) != len(names):
            msg = f"a Courier needs sinks with names of their own, not {names!r}"
            raise InvalidInput(msg)
        self._journal = journal
        self._sinks = tuple(sinks)
        self._positions = Positions(Path(folder))
        self._from_start = from_start
        self._plans: dict[RolloutId, Plan] = {}

    @classmethod
    @asynccontextmanager
    async def following(
        cls, journal: Journal, sinks: Sequence[EventSink], *, folder: str | Path, from_start: bool = False
    ) -> AsyncIterator[Self]:
        """Deliver while the block runs, and for up to five seconds after it what is left.

        Raises:
            InvalidInput: As the class.
            StateError: If positions cannot be kept.
            JournalError: If the journal cannot be read.
        """
        courier = cls(journal, sinks, folder=folder, from_start=from_start)
        await courier.begin()
        left: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            for sink in courier._sinks:
                tasks.start_soon(courier._follow, sink)
            try:
                yield courier
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 -- raised again below, as it is, once the news is out
                left = error
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(_LAST_S, shield=True):
            for sink in courier._sinks:
                await courier._quietly(sink)
        if left is not None:
            raise left

    async def begin(self) -> None:
        """Give each sink that has none a position: the journal's end, or its beginning.

        Raises:
            StateError: If it cannot be kept.
            JournalError: If the journal cannot be read.
        """
        new = [sink for sink in self._sinks if self._positions.read(sink.name) is None]
        if not new:
            return
        last = 0 if self._from_start else max((e.seq for e in await self._journal.read()), default=0)
        for sink in new:
            await self._keep(sink.name, last)

    async def deliver(self) -> int:
        """Deliver what there is now, once, and return how many notices arrived. For cron, say.

        A notice that cannot be delivered now stays, with all behind it, for the next time.

        Raises:
            StateError: If a first position cannot be kept.
            JournalError: If it is needed for that and cannot be read.
        """
        await self.begin()
        return sum([await self._quietly(sink) for sink in self._sinks])

    async def _quietly(self, sink: EventSink) -> int:
        """Deliver to one sink what there is; say what did not arrive."""
        try:
            return await self._round(sink)
        except Exception as error:  # noqa: BLE001 -- one sink's trouble, whatever it is, is no other sink's
            _LOG.warning("sink %s: %s: %s", sink.name, type(error).__name__, error)
            return 0

    async def _follow(self, sink: EventSink) -> None:
        failures = 0
        while True:
            pause = _LOOK_S
            try:
                await self._round(sink)
                failures = 0
            except Exception as error:  # noqa: BLE001 -- whatever a sink raises, who runs the block goes on
                failures += 1
                if failures == 1:
                    _LOG.warning("sink %s: %s: %s; it is tried again", sink.name, type(error).__name__, error)
                pause = min(_PAUSE_S * 2 ** min(failures - 1, 10), _LONGEST_PAUSE_S)
                pause *= random.uniform(0.5, 1.0)  # noqa: S311 -- so that many do not come at once
                pause = max(getattr(error, "retry_after", None) or 0.0, pause)
            await anyio.sleep(pause)

    async def _round(self, sink: EventSink) -> int:
        """Deliver to one sink what there is now; raise at the first notice that must be tried again."""
        since, arrived = self._positions.read(sink.name) or 0, 0
        events = await self._journal.read(None, since=since)
        for event in events:
            arrived += await self._one(sink, event)
        if events:
            await self._keep(sink.name, events[-1].seq)
        return arrived

    async def _one(self, sink: EventSink, event: Event) -> int:
        plan = await self._plan(event.rollout)
        notice = None if plan is None else notice_of(event, plan, journal=self._mark)
        if notice is None:
            return 0
        try:
            await sink.deliver(notice)
        except NotificationError as error:
            if error.retryable:
                await self._keep(sink.name, event.seq - 1)
                raise
            _LOG.error("sink %s: %r is given up: %s", sink.name, notice.title, error)
            await self._keep(sink.name, event.seq)
            return 0
        await self._keep(sink.name, event.seq)
        return 1

    async def _keep(self, name: str, seq: int) -> None:
        await anyio.to_thread.run_sync(self._positions.write, name, seq)

    @property
    def _mark(self) -> str:
        """Four bytes of the journal's own: its notices are told from those of any other journal."""
        return self._journal.key[:4].hex()

    async def _plan(self, rollout: RolloutId) -> Plan | None:
        if rollout not in self._plans:
            self._plans = {info.id: info.plan for info in await self._journal.rollouts(damaged=[])}
        return self._plans.get(rollout)

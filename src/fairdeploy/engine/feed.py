"""One reader of a journal for everybody in this process who waits for news of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final
from weakref import WeakKeyDictionary

import anyio

from fairdeploy.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model import Event, RolloutId
    from fairdeploy.protocols import Journal

__all__ = ["Feed", "feed_of"]

_ANY = ""
_INTERVAL = 0.1
"""Seconds between two looks for what other processes have written."""


@final
class Feed:
    """Wakes whoever waits for a rollout's news.

    There is no background task. Of all who wait, one reads for all of them; if it is
    cancelled, the next one takes over. So a thousand rollouts cost one query per interval,
    and nobody has to be closed.
    """

    def __init__(self, journal: Journal) -> None:
        """Begin reading at the journal's first record that is asked for."""
        self._journal = journal
        self._last: int | None = None
        self._news: dict[RolloutId, dict[str, int]] = {}
        self._waiting: dict[RolloutId, list[int]] = {}
        self._reading = False
        self._read = anyio.Event()
        self._nudge = anyio.Event()

    def wake(self) -> None:
        """Look at once: something was just written by this process."""
        nudge, self._nudge = self._nudge, anyio.Event()
        nudge.set()

    async def after(self, rollout: RolloutId, since: int, *, kind: str = _ANY) -> tuple[Event, ...]:
        """Return the rollout's events after ``since``, waiting until there is one.

        Args:
            rollout: Whose events.
            since: Only those after this position.
            kind: Wake for records of this kind only: a rollout's own steps are no news to who drives it.

        Raises:
            JournalError: If the journal cannot be read.
        """
        # Told before the first look, so that nothing can come between that look and the waiting.
        self._waiting.setdefault(rollout, []).append(since)
        try:
            events = await self._journal.read(rollout, since=since)
            while not events:
                await self._newer(rollout, kind, since)
                events = await self._journal.read(rollout, since=since)
            return events
        finally:
            self._leave(rollout, since)

    def _leave(self, rollout: RolloutId, since: int) -> None:
        self._waiting[rollout].remove(since)
        if not self._waiting[rollout]:
            del self._waiting[rollout]
            self._news.pop(rollout, None)

    async def _newer(self, rollout: RolloutId, kind: str, since: int) -> None:
        while self._news.get(rollout, {}).get(kind, 0) <= since:
            if self._reading:
                await self._read.wait()
                continue
            self._reading = True
            try:
                await self._look()
            finally:
                self._reading = False
                read, self._read = self._read, anyio.Event()
                read.set()

    async def _look(self) -> None:
        nudge = self._nudge
        with anyio.move_on_after(_INTERVAL):
            await nudge.wait()
        if self._last is None:
            # Whoever waits has read its own rollout up to here; a long journal is not read from its start.
            self._last = min(min(each) for each in self._waiting.values())
        for event in await self._events(self._last):
            if event.rollout in self._waiting:
                news = self._news.setdefault(event.rollout, {})
                news[_ANY] = news[event.record.kind] = event.seq

    async def _events(self, since: int) -> Sequence[Event]:
        try:
            events = await self._journal.read(None, since=since)
        except RecordError:
            # A newer program may write to the same journal. What it alone understands is of no rollout that is waited
            # for: these are read one by one, and always from here, as no position after it is known to be read by all.
            each = [await self._journal.read(rollout, since=since) for rollout in tuple(self._waiting)]
            return tuple(event for events in each for event in events)
        self._last = max((event.seq for event in events), default=since)
        return events


_FEEDS: WeakKeyDictionary[Journal, Feed] = WeakKeyDictionary()


def feed_of(journal: Journal) -> Feed:
    """Return this process's feed of a journal."""
    feed = _FEEDS.get(journal)
    if feed is None:
        feed = _FEEDS[journal] = Feed(journal)
    return feed

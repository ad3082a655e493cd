"""One reader for all who wait: nobody misses anything, nobody has to be closed."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
import trio

from fairdeploy.engine.feed import Feed, feed_of
from fairdeploy.errors import JournalError
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Base, Command, Event, Plan, RolloutId, Target
from fairdeploy.testing.clock import VirtualClock
from tests.engine.simulated import virtually


async def journal_with(count: int) -> MemoryJournal:
    """Return a journal with so many rollouts, ``r0`` and on."""
    journal = MemoryJournal(VirtualClock())
    for number in range(count):
        target = Target(f"app{number}")
        await journal.begin(f"r{number}", Plan("test", bases=(Base(target),)), "me", 10_000)
    return journal


def test_everybody_gets_the_news_of_its_own_rollout() -> None:
    """Forty wait, one reads; each is woken by what was written for it."""

    async def story() -> None:
        journal = await journal_with(40)
        feed = feed_of(journal)
        got: dict[str, int] = {}

        async def wait(rollout: RolloutId, since: int) -> None:
            events = await feed.after(rollout, since)
            got[rollout] = len(events)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(wait, f"r{number}", number + 1)
                for number in range(40):
                    await anyio.sleep(0.03)
                    await journal.send(f"r{number}", Command(verb="pause"))
        assert got == {f"r{number}": 1 for number in range(40)}

    virtually(story)


def test_when_the_reader_is_cancelled_another_takes_over() -> None:
    """The first of all who wait reads for them; it may leave at any time."""

    async def story() -> None:
        journal = await journal_with(2)
        feed = feed_of(journal)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                with anyio.move_on_after(0.05):
                    tasks.start_soon(feed.after, "r1", 2)
                    await feed.after("r0", 1)
                await journal.send("r1", Command(verb="pause"))

    virtually(story)


class Slow:
    """A journal whose answers are on their way for a while after they were read."""

    def __init__(self, journal: MemoryJournal) -> None:
        """Delegate to a journal."""
        self.journal = journal
        self.broken = 0

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`."""
        if self.broken:
            self.broken -= 1
            raise JournalError("busy")
        events = await self.journal.read(rollout, since=since)
        await anyio.sleep(0.1 if rollout == "r0" else 0.01)
        return events


@pytest.mark.parametrize("head_start", [0.0, 0.05, 0.09, 0.15])
def test_what_is_written_while_an_answer_is_on_its_way_is_not_missed(head_start: float) -> None:
    """A record between the reading and the waiting wakes the one that waits, whoever reads."""

    async def story() -> None:
        journal = await journal_with(2)
        feed = Feed(Slow(journal))  # type: ignore[arg-type]  # reading is all that a feed does
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(feed.after, "r1", 2)
                await anyio.sleep(head_start)
                tasks.start_soon(feed.after, "r0", 1)
                await anyio.sleep(0.05)
                await journal.send("r0", Command(verb="pause"))
                await anyio.sleep(1)
                await journal.send("r1", Command(verb="pause"))

    virtually(story)


def test_an_error_of_the_journal_reaches_one_and_the_others_go_on() -> None:
    """Who read it is told; who only waited reads next."""

    async def story() -> None:
        journal = await journal_with(2)
        slow = Slow(journal)
        feed = Feed(slow)  # type: ignore[arg-type]  # reading is all that a feed does
        failed: list[str] = []

        async def wait(rollout: RolloutId, since: int) -> None:
            try:
                await feed.after(rollout, since)
            except JournalError:
                failed.append(rollout)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(wait, "r0", 1))
                tasks.start_soon(partial(wait, "r1", 2))
                await anyio.sleep(0.15)
                slow.broken = 1
                await trio.sleep(1)
                for rollout in {"r0", "r1"} - set(failed):
                    await journal.send(rollout, Command(verb="pause"))
        assert len(failed) == 1

    virtually(story)

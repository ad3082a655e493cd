"""What is removed, exported and filled in again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TypeAlias

import pytest

from fairdeploy.errors import InvalidInput, LeaseHeld, RecordError, UnknownRollout
from fairdeploy.journal import MemoryJournal, export, fill
from fairdeploy.model import Command, Parked, Progressed, Settled
from fairdeploy.protocols import Archive, Journal
from tests.journal.plans import OLD, due, ended, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.protocols import Lease
    from tests.journal.conftest import SetClock

    class Keeping(Journal, Archive, Protocol):
        """Everything that can be asked of a journal."""

    Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[Keeping]]

pytestmark = pytest.mark.anyio

STEP = Progressed(step="x", message="ü😀")


async def written(journal: Journal) -> Lease:
    """Write rollouts in every state, and return the lease of the one that is open."""
    for number in range(3):
        lease = await journal.begin(f"ended{number}", plan(), "me", 1_000)
        await journal.append(lease, STEP, ended(lease.rollout), end=True)
    lease = await journal.begin("due", plan("blog"), "me", 1_000)
    await journal.append(lease, due(app="blog"), ended("due"), end=True)
    lease = await journal.begin("parked", plan("docs"), "me", 1_000)
    await journal.append(lease, Parked(until_ms=5))
    lease = await journal.begin("open", plan(), "me", 1_000)
    await journal.send("open", Command(verb="pause"))
    return await journal.take("open", "you", 60_000, reason="dead", dead="me")


async def lines_of(journal: Journal) -> list[str]:
    """Return a journal's export."""
    return [line async for line in export(journal)]


async def test_only_what_is_finished_is_forgotten(opened: Opened) -> None:
    """An ended rollout goes with its records; what is open, parked or due stays, and so does what is unknown."""
    async with opened() as journal:
        lease = await written(journal)
        gone = await journal.forget(["ended0", "ended2", "due", "parked", "open", "never"])
        left = [info.id for info in await journal.rollouts()]
        last = (await journal.read())[-1].seq
        with pytest.raises(UnknownRollout):
            await journal.read("ended0")

        assert gone == ("ended0", "ended2")
        assert left == ["ended1", "due", "parked", "open"]
        assert {event.rollout for event in await journal.read()} == set(left)
        assert await journal.append(lease, STEP) == last + 1


async def test_neither_position_nor_epoch_is_used_again(opened: Opened) -> None:
    """Also when all that bore them is forgotten."""
    async with opened() as journal:
        for number in range(2):
            lease = await journal.begin(f"r{number}", plan(), "me", 1_000)
            await journal.append(lease, ended(f"r{number}"), end=True)
        lease = await journal.begin("r2", plan(), "me", 1_000)
        last = await journal.append(lease, ended("r2"), end=True)
        await journal.forget(["r0", "r1", "r2"])
        assert await journal.read() == ()
        again = await journal.begin("r3", plan(), "me", 1_000)
        (event,) = await journal.read()

    assert again.epoch == lease.epoch + 1
    assert event.seq == last + 1


async def test_a_copy_holds_what_the_first_one_holds(opened: Opened) -> None:
    """Records, rollouts and positions are equal, and the same lease goes on in it."""
    async with opened() as journal:
        lease = await written(journal)
        await journal.forget(["ended1"])
        lines = await lines_of(journal)
        before = (await journal.read(), await journal.rollouts(), await journal.rollouts(unfinished=True))
        after = await journal.append(lease, STEP)
    copy = MemoryJournal()
    await fill(copy, lines)

    assert (await copy.read(), await copy.rollouts(), await copy.rollouts(unfinished=True)) == before
    assert await lines_of(copy) == lines
    assert await copy.append(lease, STEP) == after


async def test_every_kind_can_be_filled(opened: Opened, clock: SetClock) -> None:
    """From a journal of another kind; it goes on where that one was left, and refuses to be filled again."""
    source = MemoryJournal(clock)
    lease = await written(source)
    await source.forget(["ended0"])
    lines = await lines_of(source)
    async with opened() as journal:
        await fill(journal, lines)
        assert await lines_of(journal) == lines
        with pytest.raises(LeaseHeld, match="'open'"):
            await journal.begin("r", plan(), "third", 1_000)
        assert await journal.append(lease, STEP) == await source.append(lease, STEP)
        await journal.send("due", Settled(step=f"due:{OLD}"))
        await source.send("due", Settled(step=f"due:{OLD}"))
        fresh = await journal.begin("fresh", plan("blog"), "me", 1_000)
        assert fresh == await source.begin("fresh", plan("blog"), "me", 1_000)
        assert await journal.read() == await source.read()
        assert await journal.rollouts() == await source.rollouts()
        with pytest.raises(InvalidInput, match="restore into one that is new"):
            await fill(journal, lines)


async def test_an_export_that_is_not_whole_fills_nothing() -> None:
    """Cut off anywhere, shuffled, foreign or newer, it is refused by line, and the journal stays empty."""
    source, copy = MemoryJournal(), MemoryJournal()
    await written(source)
    lines = await lines_of(source)
    newer = [json.dumps({**json.loads(lines[0]), "format": 9}), *lines[1:]]
    record = json.dumps({**json.loads(lines[2]), "version": 9})
    hostile = json.dumps({"kind": "event", "hunter2": 1})
    damaged: list[tuple[list[str], str]] = [
        *((lines[:count], "cut off") for count in range(len(lines))),
        ([*lines[:2], *lines[3:]], "cut off"),
        (lines[1:], "line 1 of the export"),
        ([*lines, lines[1]], f"line {len(lines) + 1} of the export"),
        (["hello", *lines], "line 1 of the export"),
        (newer, "newer fairdeploy .*upgrade"),
        ([*lines[:2], record, *lines[3:]], "newer fairdeploy .*upgrade"),
        ([*lines[:2], hostile], "line 3 of the export"),
    ]
    for each, message in damaged:
        with pytest.raises(RecordError, match=message) as refused:
            await fill(copy, each)
        assert "hunter2" not in str(refused.value)
    assert await copy.read() == ()
    await fill(copy, lines)

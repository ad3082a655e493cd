"""The first half of the suite of journals: what is written is read, now and later."""

from __future__ import annotations

import pytest

from fairdeploy.errors import UnknownRollout
from fairdeploy.model import Began, Progressed
from fairdeploy.protocols import Journal
from fairdeploy.testing.conformance import _written
from fairdeploy.testing.conformance.suite import Conformance, Opened, expect

__all__ = ["Reading"]

_LONG = 600_000
"""Time to live in milliseconds that no test outlasts."""
_WORD = Progressed(step="x", message="y")


class Reading(Conformance, suite=True):
    """The tests of a `JournalConformance` that read what was written."""

    # Reading and writing.

    async def test_the_key_is_random_and_stays(self, opened: Opened[Journal]) -> None:
        """It has 128 bits at least, and the next program gets the same."""
        async with opened() as journal:
            key = journal.key
        async with opened() as journal:
            again = journal.key
        expect(len(key) >= 16, "the key must have 16 bytes at least", len(key))
        expect(key == again, "the key must be made once, with the journal", "two different keys")

    async def test_an_empty_journal_holds_nothing(self, opened: Opened[Journal]) -> None:
        """No events, no rollouts; a rollout that is named does not exist."""
        async with opened() as journal:
            seen = (await journal.read(), await journal.rollouts())
            with pytest.raises(UnknownRollout):
                await journal.read("r1")
        expect(seen == ((), ()), "a new journal must be empty", seen)

    async def test_every_kind_of_record_comes_back_as_it_was(self, opened: Opened[Journal]) -> None:
        """In order, with the holder's epoch; the last one's position is what the append returned."""
        records = _written.every_kind("r1")
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            last = await journal.append(lease, *records, end=True)
        async with opened() as journal:
            first, *events = await journal.read("r1")
        began = Began(plan_hash=_written.plan().hash, holder="me")
        expect(first.record == began, "the first record must be Began, with plan and holder", first)
        read = [event.record for event in events]
        expect(read == list(records), "records must come back equal and in order", read)
        expect({event.epoch for event in events} == {lease.epoch}, "events must bear the epoch", events)
        seqs = [event.seq for event in (first, *events)]
        expect(
            seqs == sorted(set(seqs)) and seqs[-1] == last,
            "positions must grow to what is returned",
            (seqs, last),
        )

    async def test_a_plan_comes_back_with_its_hash(self, opened: Opened[Journal]) -> None:
        """What is known of an open rollout is what `begin` was told."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            (info,) = await journal.rollouts()
        expect(info.plan == _written.plan(), "the plan must come back equal", info.plan)
        expect(info.plan.hash == _written.plan().hash, "and so must its hash", info.plan.hash)
        known = (info.id, info.holder, info.epoch, info.open, info.parked, info.due)
        expect(known == ("r1", "me", lease.epoch, True, False, ()), "it must be what `begin` was told", info)
        expect(info.expires_ms == lease.expires_ms, "it must expire with its lease", info)
        expect(info.expires_ms == info.began_ms + _LONG, "it must live for the time granted", info)

    async def test_reading_goes_on_from_a_position(self, opened: Opened[Journal]) -> None:
        """Of one rollout or of all; positions are unique across rollouts."""
        async with opened() as journal:
            one = await journal.begin("r1", _written.plan("a"), "me", _LONG)
            two = await journal.begin("r2", _written.plan("b"), "you", _LONG)
            middle = await journal.append(one, _WORD)
            await journal.append(two, _WORD)
            last = await journal.append(one, _WORD)
            rest, own = await journal.read(since=middle), await journal.read("r1", since=middle)
            everything, none = await journal.read(), await journal.read(since=last)
        seqs = [event.seq for event in everything]
        expect(seqs == sorted(set(seqs)), "positions must grow, and be unique across rollouts", seqs)
        expect([e.rollout for e in rest] == ["r2", "r1"], "only what comes after must be read", rest)
        expect([e.seq for e in own] == [last], "only the named rollout must be read", own)
        expect(none == (), "after the last event there is nothing", none)

    async def test_what_was_written_outlives_the_program(self, opened: Opened[Journal]) -> None:
        """Events, infos and the lease itself are the same for the next one."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            await journal.append(lease, _WORD)
            before = (await journal.read(), await journal.rollouts())
        async with opened() as journal:
            after = (await journal.read(), await journal.rollouts())
            renewed = await journal.renew(lease)
            await journal.append(renewed, _WORD)
        expect(before == after, "what was appended must be durable", after)

    async def test_rollouts_are_found_by_target_oldest_first(self, opened: Opened[Journal]) -> None:
        """A plan over several targets is found by each of them."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan("a", "b"), "me", _LONG)
            await journal.append(lease, _written.ended("r1"), end=True)
            await journal.begin("r2", _written.plan("b"), "me", _LONG)
            found = {app: [info.id for info in await journal.rollouts(f"{app}/production")] for app in "abc"}
        expect(found == {"a": ["r1"], "b": ["r1", "r2"], "c": []}, "each must be found by its targets", found)

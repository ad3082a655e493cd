"""What every journal must do, wherever it keeps its records."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import anyio
import pytest

from fairdeploy.errors import FairdeployError, Fenced, InvalidInput, LeaseHeld, UnknownRollout
from fairdeploy.model import Command, Intended, Parked, Plan, Progressed, Settled, TookOver
from fairdeploy.protocols import Journal, Lease
from fairdeploy.testing.conformance import _written
from fairdeploy.testing.conformance._reading import Reading
from fairdeploy.testing.conformance.suite import Opened, expect

__all__ = ["JournalConformance"]

_LONG = 600_000
_SHORT = 1
"""Times to live in milliseconds: one that no test outlasts, one that all do."""
_PAST = 0.05
"""Seconds after which a lease of `_SHORT` has expired."""
_WORD = Progressed(step="x", message="y")


class JournalConformance(Reading, suite=True):
    """Standard tests of a `Journal`: derive, and give the fixture ``opened``.

    ::

        class TestMine(JournalConformance):
            @pytest.fixture
            def opened(self, tmp_path: Path) -> Opened[Journal]:
                return lambda: MyJournal.open(tmp_path / "journal")

    Each test begins with an empty journal. What ``opened`` opens twice is the same: the second is what
    another program sees.

    Attributes:
        crowd: How many try for one lease at the same time.
    """

    crowd: ClassVar[int] = 8

    # Leases.

    async def test_a_target_has_one_rollout_at_a_time(self, opened: Opened[Journal]) -> None:
        """A second is refused with holder and rollout, takes no other target, and leaves nothing behind."""
        async with opened() as journal:
            await journal.begin("r1", _written.plan("shop", "blog"), "me@here:1", _LONG)
            with pytest.raises(LeaseHeld) as refusal:
                await journal.begin("r2", _written.plan("other", "blog"), "you", _LONG)
            await journal.begin("r3", _written.plan("other"), "you", _LONG)
            known, events = await journal.rollouts(), await journal.read()
        words = str(refusal.value)
        for named in ("blog/production", "'r1'", "me@here:1"):
            expect(named in words, f"the refusal must name {named}", words)
        expect([info.id for info in known] == ["r1", "r3"], "a refused rollout must not be known", known)
        expect(len(events) == 2, "a refused rollout must not be recorded", events)

    async def test_an_expired_lease_still_holds_against_a_new_rollout(self, opened: Opened[Journal]) -> None:
        """A dead rollout must be recovered first."""
        async with opened() as journal:
            await journal.begin("r1", _written.plan(), "me", _SHORT)
            await anyio.sleep(_PAST)
            with pytest.raises(LeaseHeld):
                await journal.begin("r2", _written.plan(), "you", _LONG)

    async def test_of_several_that_begin_at_once_one_does(self, opened: Opened[Journal]) -> None:
        """From two programs, many tasks each: one has the lease, the others are refused."""
        ends: Counter[str] = Counter()

        async def begin(journal: Journal, rollout: str) -> None:
            try:
                await journal.begin(rollout, _written.plan(), rollout, _LONG)
            except LeaseHeld:
                ends["refused"] += 1
            else:
                ends["begun"] += 1

        async with opened() as one, opened() as two:
            async with anyio.create_task_group() as tasks:
                for number in range(self.crowd):
                    tasks.start_soon(begin, (one, two)[number % 2], f"r{number}")
            known = await one.rollouts()
        expect(ends == {"begun": 1, "refused": self.crowd - 1}, "exactly one may begin", ends)
        expect(len(known) == 1, "exactly one may be known", known)

    async def test_of_several_that_take_over_at_once_one_does(self, opened: Opened[Journal]) -> None:
        """Whoever comes second finds a live lease."""
        ends: Counter[str] = Counter()

        async def take(journal: Journal, holder: str) -> None:
            try:
                await journal.take("r1", holder, _LONG, reason="expired")
            except LeaseHeld:
                ends["refused"] += 1
            else:
                ends["taken"] += 1

        async with opened() as one, opened() as two:
            await one.begin("r1", _written.plan(), "me", _SHORT)
            await anyio.sleep(_PAST)
            async with anyio.create_task_group() as tasks:
                for number in range(self.crowd):
                    tasks.start_soon(take, (one, two)[number % 2], f"h{number}")
        expect(ends == {"taken": 1, "refused": self.crowd - 1}, "exactly one may take over", ends)

    async def test_a_live_lease_is_taken_from_the_dead_only(self, opened: Opened[Journal]) -> None:
        """A renewal keeps it live, and does not change the epoch; who takes it names whom it believes dead."""
        async with opened() as journal:
            lease = await journal.renew(await journal.begin("r1", _written.plan(), "me", _LONG))
            for dead in (None, "nobody"):
                with pytest.raises(LeaseHeld):
                    await journal.take("r1", "you", _LONG, reason="why not", dead=dead)
            before = await journal.read()
            taken = await journal.take("r1", "you", _LONG, reason="seen dead", dead="me")
            with pytest.raises(LeaseHeld):
                await journal.take("r1", "third", _LONG, reason="seen dead", dead="me")
            (*_, last) = await journal.read()
        expect(len(before) == 1, "neither a renewal nor a refusal is recorded", before)
        expect(taken.epoch > lease.epoch, "a take-over must raise the epoch", (lease, taken))
        expect(last.record == TookOver(holder="you", reason="seen dead"), "it must be recorded, once", last)
        expect(last.epoch == taken.epoch, "under its own epoch", last)

    async def test_a_renewal_grants_the_time_anew(self, opened: Opened[Journal]) -> None:
        """The same epoch and holder, expiring later."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            await anyio.sleep(_PAST)
            again = await journal.renew(lease)
            (info,) = await journal.rollouts()
        same = (again.rollout, again.epoch, again.holder, again.ttl_ms)
        expect(same == ("r1", lease.epoch, "me", _LONG), "nothing but the date may change", again)
        expect(again.expires_ms > lease.expires_ms, "it must expire later", (lease, again))
        expect(info.expires_ms == again.expires_ms, "and be known to", info)

    async def test_who_was_taken_over_writes_nothing_more(self, opened: Opened[Journal]) -> None:
        """`Fenced`, for append, renew and end, on every one of its targets; none of the records is there."""
        async with opened() as journal, opened() as other:
            lease = await journal.begin("r1", _written.plan("a", "b"), "me", _LONG)
            await other.take("r1", "you", _LONG, reason="seen dead", dead="me")
            before = await journal.read()
            with pytest.raises(Fenced):
                await journal.append(lease, _WORD, _WORD)
            with pytest.raises(Fenced):
                await journal.renew(lease)
            with pytest.raises(Fenced):
                await journal.append(lease, _written.ended("r1"), end=True)
            after, (info,) = await journal.read(), await journal.rollouts()
        expect(before == after, "a fenced holder must leave no record", after)
        expect((info.holder, info.open) == ("you", True), "the rollout must be the other one's", info)

    async def test_what_does_not_exist_or_has_ended_is_not_taken(self, opened: Opened[Journal]) -> None:
        """`UnknownRollout`."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _SHORT)
            await journal.append(lease, _written.ended("r1"), end=True)
            for rollout in ("r1", "never"):
                with pytest.raises(UnknownRollout):
                    await journal.take(rollout, "you", _LONG, reason="expired", dead="me")

    async def test_the_end_gives_the_targets_back(self, opened: Opened[Journal]) -> None:
        """Nothing follows it, the targets are free, and the next epoch is higher."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan("a", "b"), "me", _LONG)
            await journal.append(lease, _written.ended("r1"), end=True)
            with pytest.raises(Fenced):
                await journal.append(lease, _WORD)
            with pytest.raises(Fenced):
                await journal.renew(lease)
            after = await journal.begin("r2", _written.plan("b"), "you", _LONG)
            infos = await journal.rollouts()
        expect([info.open for info in infos] == [False, True], "the first has ended", infos)
        expect(infos[0].result == _written.ended("r1").result, "its result must be known", infos[0])
        expect(after.epoch > lease.epoch, "epochs must grow from rollout to rollout", (lease, after))

    # All or none.

    async def test_an_end_is_said_twice_or_not_at_all(self, opened: Opened[Journal]) -> None:
        """``end`` goes with exactly one `Ended`: no rollout is closed without a result."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            with pytest.raises(InvalidInput):
                await journal.append(lease, _WORD, end=True)
            with pytest.raises(InvalidInput):
                await journal.append(lease, _WORD, _written.ended("r1"))
            events, (info,) = await journal.read(), await journal.rollouts()
        expect(len(events) == 1, "none of the records may be written", events)
        expect(info.open, "the rollout must still be open", info)

    async def test_a_rollout_id_is_used_once(self, opened: Opened[Journal]) -> None:
        """A second rollout of the same id is refused, and the first stays as it is."""
        async with opened() as journal:
            await journal.begin("r1", _written.plan("a"), "me", _LONG)
            before = await journal.rollouts()
            with pytest.raises(FairdeployError):
                await journal.begin("r1", _written.plan("b"), "me", _LONG)
            after = await journal.rollouts()
        expect(before == after, "the first rollout must stay as it is", after)

    async def test_what_is_appended_together_stands_together(self, opened: Opened[Journal]) -> None:
        """Records of one append are not mixed with those of another, whoever writes at the same time."""
        plans: dict[str, Plan] = {f"r{number}": _written.plan(f"app{number}") for number in range(self.crowd)}

        async def write(journal: Journal, lease: Lease) -> None:
            for number in range(3):
                step = f"{lease.rollout}-{number}"
                await journal.append(lease, Intended(step=step), Settled(step=step))

        async with opened() as one, opened() as two:
            leases = [await one.begin(rollout, plan, "me", _LONG) for rollout, plan in plans.items()]
            async with anyio.create_task_group() as tasks:
                for number, lease in enumerate(leases):
                    tasks.start_soon(write, (one, two)[number % 2], lease)
            events = (await two.read())[len(plans) :]
        pairs = list(zip(events[::2], events[1::2], strict=True))
        torn = [
            pair
            for pair in pairs
            if not isinstance(pair[0].record, Intended) or pair[1].record != Settled(step=pair[0].record.step)
        ]
        expect(not torn, "records appended together must stand together", torn)
        expect(len(pairs) == 3 * self.crowd, "every append must be there once", len(pairs))

    # Without a lease, and after the end.

    async def test_anybody_can_send_a_command(self, opened: Opened[Journal]) -> None:
        """It is recorded with epoch 0, in whatever state the rollout is; an unknown rollout is an error."""
        command = Command(verb="abort", reason="because", by="you@there:1")
        async with opened() as journal, opened() as other:
            await journal.begin("r1", _written.plan(), "me", _LONG)
            seq = await other.send("r1", command)
            last = (await journal.read("r1"))[-1]
            with pytest.raises(UnknownRollout):
                await journal.send("never", command)
        expect(
            (last.record, last.seq, last.epoch) == (command, seq, 0), "it must be read by the holder", last
        )

    async def test_what_is_due_is_kept_until_it_is_settled(self, opened: Opened[Journal]) -> None:
        """Also after the end: it is unfinished until then, and no longer."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            await journal.append(lease, _written.due(), _written.due("2.0-b"))
            await journal.append(lease, _written.ended("r1"), end=True)
        async with opened() as journal:
            (before,) = await journal.rollouts(unfinished=True)
            await journal.send("r1", Settled(step=f"due:{_written.OLD}"))
            (between,) = await journal.rollouts(unfinished=True)
            await journal.send("r1", Settled(step="due:2.0-b"))
            after, known = await journal.rollouts(unfinished=True), await journal.rollouts()
        expect(before.due == (_written.due(), _written.due("2.0-b")), "what is due must be known", before)
        expect(between.due == (_written.due("2.0-b"),), "what is settled is due no more", between)
        expect((after, len(known)) == ((), 1), "then it is finished, and still known", (after, known))

    async def test_a_parked_rollout_says_so(self, opened: Opened[Journal]) -> None:
        """Until its next record; it is open, and not to be begun beside."""
        async with opened() as journal:
            lease = await journal.begin("r1", _written.plan(), "me", _LONG)
            await journal.append(lease, Parked(until_ms=5))
            (parked,) = await journal.rollouts(unfinished=True)
            with pytest.raises(LeaseHeld):
                await journal.begin("r2", _written.plan(), "you", _LONG)
            await journal.append(lease, _WORD)
            (going,) = await journal.rollouts()
        expect((parked.parked, parked.open) == (True, True), "its last word must be known", parked)
        expect(not going.parked, "another word ends it", going)

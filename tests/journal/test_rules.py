"""What every journal allows and refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import anyio
import pytest

from fairdeploy.errors import Fenced, InvalidInput, LeaseHeld, UnknownRollout
from fairdeploy.model import Began, Command, Ended, Intended, Outcome, Parked, Progressed, Settled, TookOver
from tests.journal.plans import OLD, due, ended, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.protocols import Journal
    from tests.journal.conftest import SetClock

    Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[Journal]]

pytestmark = pytest.mark.anyio


async def test_a_rollout_is_written_and_read_back(opened: Opened) -> None:
    """What was appended comes back equal, in order, with its epoch and time."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        last = await journal.append(lease, Intended(step="start"), Settled(step="start", detail="ü"))
        events = await journal.read("r1")

    assert [event.record for event in events] == [
        Began(plan_hash=plan().hash, holder="me"),
        Intended(step="start"),
        Settled(step="start", detail="ü"),
    ]
    assert [(event.seq, event.epoch, event.at_ms) for event in events] == [
        (seq, lease.epoch, 1_000_000) for seq in range(1, last + 1)
    ]


async def test_a_plan_survives_with_its_hash(opened: Opened) -> None:
    """The plan that comes back is the one that was approved."""
    async with opened() as journal:
        await journal.begin("r1", plan(), "me", 1_000)
        (info,) = await journal.rollouts()

    assert info.plan == plan()
    assert info.plan.hash == plan().hash
    assert (info.id, info.holder, info.began_ms, info.expires_ms, info.open) == (
        "r1",
        "me",
        1_000_000,
        1_001_000,
        True,
    )


async def test_a_target_has_one_rollout_at_a_time(opened: Opened) -> None:
    """A second rollout is refused with holder, rollout, age and remedy, and leaves nothing behind."""
    async with opened() as journal:
        await journal.begin("r1", plan("shop", "blog"), "me@here:1", 1_000)
        with pytest.raises(LeaseHeld, match=r"'blog/production' is held by rollout 'r1' of 'me@here:1'"):
            await journal.begin("r2", plan("blog", "other"), "you", 1_000)
        await journal.begin("r3", plan("other"), "you", 1_000)

        assert [info.id for info in await journal.rollouts()] == ["r1", "r3"]
        assert len(await journal.read()) == 2


async def test_an_expired_lease_still_holds_against_a_new_rollout(opened: Opened, clock: SetClock) -> None:
    """A dead rollout must be recovered first; the message says since when it looks dead, and how."""
    async with opened() as journal:
        await journal.begin("r1", plan(), "me", 1_000)
        clock.seconds += 31
        with pytest.raises(LeaseHeld, match=r"looks dead since 30\.0 s.*recover\(\)"):
            await journal.begin("r2", plan(), "you", 1_000)


async def test_a_rollout_id_is_used_once(opened: Opened) -> None:
    """A second rollout of the same id is a mistake of the caller."""
    async with opened() as journal:
        await journal.begin("r1", plan("a"), "me", 1_000)
        with pytest.raises(InvalidInput, match="'r1' is in the journal already"):
            await journal.begin("r1", plan("b"), "me", 1_000)


async def test_the_end_gives_the_targets_back(opened: Opened) -> None:
    """After its end a rollout holds nothing, takes nothing more, and the next epoch is higher."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        await journal.append(lease, ended("r1"), end=True)
        with pytest.raises(Fenced, match="has ended"):
            await journal.append(lease, Progressed(step="x", message="y"))
        with pytest.raises(Fenced, match="has ended"):
            await journal.renew(lease)
        after = await journal.begin("r2", plan(), "you", 1_000)
        first, second = await journal.rollouts()

    assert after.epoch > lease.epoch
    assert first.result is not None
    assert (first.result.outcome, first.open, second.open) == (Outcome.PROMOTED, False, True)


@pytest.mark.parametrize("end", [True, False])
async def test_an_end_is_said_twice_or_not_at_all(opened: Opened, end: bool) -> None:  # noqa: FBT001 -- by pytest
    """`end` and `Ended` go together, so that no rollout is closed without a result."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        record = Progressed(step="x", message="y") if end else ended("r1")
        with pytest.raises(InvalidInput, match="exactly one Ended"):
            await journal.append(lease, record, end=end)
        assert len(await journal.read()) == 1


async def test_nothing_is_nothing_to_append(opened: Opened) -> None:
    """An append without records has no sequence number to return."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        with pytest.raises(InvalidInput, match="at least one record"):
            await journal.append(lease)


async def test_a_live_lease_is_not_taken(opened: Opened, clock: SetClock) -> None:
    """A take-over waits until the lease has expired, unless its holder is dead: this one, not the one before it."""
    async with opened() as journal:
        await journal.begin("r1", plan(), "me", 1_000)
        clock.seconds += 0.9
        with pytest.raises(LeaseHeld, match=r"held by 'me' for another 0\.1 s"):
            await journal.take("r1", "you", 1_000, reason="expired")
        lease = await journal.take("r1", "you", 1_000, reason="seen dead", dead="me")
        with pytest.raises(LeaseHeld, match=r"held by 'you' for another 1\.0 s"):
            await journal.take("r1", "third", 1_000, reason="seen dead", dead="me")

    assert (lease.holder, lease.expires_ms) == ("you", 1_001_900)


async def test_a_take_over_fences_the_one_before(opened: Opened, clock: SetClock) -> None:
    """Whoever wakes after a take-over can neither append nor renew, and is told who acts now."""
    async with opened() as journal:
        old = await journal.begin("r1", plan("shop", "blog"), "me", 1_000)
        clock.seconds += 1
        new = await journal.take("r1", "you", 1_000, reason="expired")
        with pytest.raises(Fenced, match=r"taken over by 'you' \(epoch 2\): 'me' \(epoch 1\) must stop"):
            await journal.append(old, Progressed(step="x", message="y"))
        with pytest.raises(Fenced):
            await journal.renew(old)
        await journal.append(new, Progressed(step="x", message="y"))
        records = [event.record for event in await journal.read("r1")]

    assert new.epoch > old.epoch
    assert records[1:] == [TookOver(holder="you", reason="expired"), Progressed(step="x", message="y")]


async def test_the_holder_can_take_again(opened: Opened, clock: SetClock) -> None:
    """The same holder name with an older epoch is fenced like any other."""
    async with opened() as journal:
        old = await journal.begin("r1", plan(), "me", 1_000)
        clock.seconds += 1
        await journal.take("r1", "me", 1_000, reason="again")
        with pytest.raises(Fenced):
            await journal.append(old, Progressed(step="x", message="y"))


async def test_a_renewal_extends_and_keeps_the_epoch(opened: Opened, clock: SetClock) -> None:
    """Renewing moves the expiry only; a lease that expired unnoticed can still be renewed."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        clock.seconds += 5
        renewed = await journal.renew(lease)
        with pytest.raises(LeaseHeld):
            await journal.take("r1", "you", 1_000, reason="expired")
        await journal.append(lease, Progressed(step="x", message="y"))
        (info,) = await journal.rollouts()

    assert (renewed.epoch, renewed.expires_ms, info.expires_ms) == (lease.epoch, 1_006_000, 1_006_000)


async def test_epochs_of_all_targets_grow_together(opened: Opened) -> None:
    """A rollout of several targets gets an epoch above any of theirs."""
    async with opened() as journal:
        for number in range(3):
            lease = await journal.begin(f"a{number}", plan("a"), "me", 1_000)
            await journal.append(lease, ended(f"a{number}"), end=True)
        both = await journal.begin("both", plan("a", "b"), "me", 1_000)
        await journal.append(both, ended("both"), end=True)
        b = await journal.begin("b", plan("b"), "me", 1_000)

    assert (both.epoch, b.epoch) == (4, 5)


async def test_an_unknown_rollout_is_named(opened: Opened) -> None:
    """Reading, taking or commanding what is not there says so."""
    async with opened() as journal:
        with pytest.raises(UnknownRollout, match="'nobody'"):
            await journal.read("nobody")
        with pytest.raises(UnknownRollout, match="'nobody'"):
            await journal.take("nobody", "me", 1_000, reason="x")
        with pytest.raises(UnknownRollout, match="'nobody'"):
            await journal.send("nobody", Command(verb="abort"))


async def test_an_ended_rollout_is_not_taken(opened: Opened, clock: SetClock) -> None:
    """There is nothing to take over after the end."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        await journal.append(lease, ended("r1"), end=True)
        clock.seconds += 60
        with pytest.raises(UnknownRollout, match="has ended"):
            await journal.take("r1", "me", 1_000, reason="x")


async def test_anybody_can_command(opened: Opened) -> None:
    """A command needs no lease and fences nobody; its epoch is 0."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        await journal.send("r1", Command(verb="pause", by="you"))
        await journal.append(lease, Progressed(step="x", message="y"))
        events = await journal.read("r1", since=1)

    assert [(event.epoch, event.record.kind) for event in events] == [(0, "command"), (1, "progressed")]


async def test_only_what_is_due_is_settled_without_a_lease(opened: Opened) -> None:
    """A step of the plan cannot be settled by just anybody."""
    async with opened() as journal:
        await journal.begin("r1", plan(), "me", 1_000)
        with pytest.raises(InvalidInput, match="'due:<target>:<revision>'"):
            await journal.send("r1", Settled(step="promote"))


async def test_a_rollout_is_unfinished_until_nothing_is_due(opened: Opened) -> None:
    """After its end a rollout is listed until each thing due is settled."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        await journal.append(lease, due(), due("2.0-b"), ended("r1"), end=True)
        seen = []
        for revision in (OLD, "2.0-b"):
            (info,) = await journal.rollouts(unfinished=True)
            seen.append(info.due)
            await journal.send("r1", Settled(step=f"due:{revision}"))
        left = await journal.rollouts(unfinished=True)
        every = await journal.rollouts()

    assert seen == [(due(), due("2.0-b")), (due("2.0-b"),)]
    assert left == ()
    assert [info.id for info in every] == ["r1"]


async def test_what_is_due_is_due_once_and_by_the_last_word(opened: Opened) -> None:
    """A step that is taken again after a crash says anew until when; one end ends it, and not before."""
    later = replace(due(), at_ms=due().at_ms + 60_000)
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        await journal.append(lease, due())
        await journal.append(lease, later, ended("r1"), end=True)
        (info,) = await journal.rollouts(unfinished=True)

    assert info.due == (later,)


async def test_parking_gives_the_lease_up_at_once(opened: Opened) -> None:
    """What was left on purpose can be taken without waiting; doing anything more ends the parking."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 60_000)
        await journal.append(lease, Parked(then="resume"))
        (parked,) = await journal.rollouts()
        with pytest.raises(LeaseHeld, match="left on purpose"):
            await journal.begin("r2", plan(), "you", 1_000)
        await journal.send("r1", Command(verb="resume"))
        (commanded,) = await journal.rollouts()
        await journal.take("r1", "you", 1_000, reason="attached")
        (taken,) = await journal.rollouts()

    assert (parked.parked, commanded.parked, taken.parked) == (True, True, False)


async def test_reading_goes_on_from_a_cursor(opened: Opened) -> None:
    """`since` continues after the last event seen, over one rollout or all."""
    async with opened() as journal:
        a = await journal.begin("a", plan("a"), "me", 1_000)
        b = await journal.begin("b", plan("b"), "me", 1_000)
        seqs = [await journal.append(lease, Progressed(step="x", message="y")) for lease in (a, b, a, b)]

        assert [event.seq for event in await journal.read(since=3)] == [4, 5, 6]
        assert [event.seq for event in await journal.read("b", since=2)] == [4, 6]
        assert await journal.read(since=seqs[-1]) == ()


async def test_rollouts_are_found_by_target(opened: Opened) -> None:
    """Only rollouts whose plan has the target are listed, oldest first."""
    async with opened() as journal:
        for apps in (["a"], ["a", "b"][1:], ["c", "d"]):
            await journal.begin("-".join(apps), plan(*apps), "me", 1_000)

        assert [info.id for info in await journal.rollouts("d/production")] == ["c-d"]
        assert await journal.rollouts("nobody/production") == ()


async def test_an_append_is_all_or_nothing(opened: Opened) -> None:
    """When one record is refused, none of its append is there."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        with pytest.raises(InvalidInput):
            await journal.append(lease, Progressed(step="x", message="y"), ended("r1"))
        assert len(await journal.read("r1")) == 1


async def test_a_cancelled_append_is_whole_or_absent(opened: Opened) -> None:
    """Cancellation while many append loses none that returned, and doubles none."""
    done: list[int] = []

    async def write(number: int) -> None:
        done.append(await journal.append(lease, Progressed(step=str(number), message="")))

    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(write, number)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        steps = [e.record.step for e in await journal.read("r1") if isinstance(e.record, Progressed)]
        seqs = [event.seq for event in await journal.read("r1")]

    assert len(set(steps)) == len(steps)
    assert set(done) <= set(seqs)
    assert len(done) == len(steps)


async def test_many_tasks_append_at_once(opened: Opened) -> None:
    """Concurrent appends all arrive, each rollout's in its own order; the fenced one harms no other."""
    async with opened() as journal:
        leases = [await journal.begin(f"r{n}", plan(f"a{n}"), "me", 1_000) for n in range(20)]
        fenced = await journal.take("r0", "you", 1_000, reason="x", dead="me")
        refused: list[str] = []

        async def run(number: int) -> None:
            for step in range(5):
                try:
                    await journal.append(leases[number], Progressed(step=str(step), message=""))
                except Fenced:
                    refused.append(f"r{number}")

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(run, number)
        orders = [
            [e.record.step for e in await journal.read(f"r{n}") if isinstance(e.record, Progressed)]
            for n in range(20)
        ]

    assert fenced.epoch == 2
    assert refused == ["r0"] * 5
    assert orders == [[], *[["0", "1", "2", "3", "4"]] * 19]


async def test_the_key_belongs_to_the_journal(opened: Opened) -> None:
    """The key is 32 random bytes and stays the same."""
    async with opened() as journal:
        assert len(journal.key) == 32
        assert journal.key == journal.key


async def test_the_result_is_read_back(opened: Opened) -> None:
    """The end is told with its evidence, from the event and from the list."""
    async with opened() as journal:
        lease = await journal.begin("r1", plan(), "me", 1_000)
        await journal.append(lease, ended("r1", Outcome.ROLLED_BACK), end=True)
        (info,) = await journal.rollouts()
        last = (await journal.read("r1"))[-1].record

    assert isinstance(last, Ended)
    assert last.result == info.result == ended("r1", Outcome.ROLLED_BACK).result

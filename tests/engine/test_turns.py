"""Turns: a rollout carried out step by step by workers that know nothing of each other but the journal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import anyio
import pytest

from fairdeploy.engine.turn import first_turn, turn
from fairdeploy.errors import LeaseHeld
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Command, Ended, Intended, Outcome, RolloutResult, Settled, TookOver
from fairdeploy.protocols import Baton
from fairdeploy.strategies import Approved, Canary, Rolling
from fairdeploy.testing.simulation import Behaviour, World
from tests.engine.simulated import BUSY, ONE, SHOP, TWO, House, virtually

if TYPE_CHECKING:
    from fairdeploy.model import Plan, Record, RolloutId
    from fairdeploy.protocols import Strategy

HOLDER = "temporal:shop"
CANARY = Canary(steps=(25, 100), bake=60)


async def planned(house: House, strategy: Strategy = CANARY) -> Plan:
    """Return a plan from one release to the next."""
    await house.standing(ONE)
    return await house.deployer.plan(SHOP, TWO, strategy)


async def begun(house: House, plan: Plan) -> tuple[RolloutId, Baton | RolloutResult | None]:
    """Begin a rollout as a workflow does."""
    desk = house.another()._desk
    return await first_turn(desk, plan, HOLDER, on_conflict="refuse", validate=False)


async def one(
    house: House, rollout: RolloutId, baton: Baton | RolloutResult | None, leave: anyio.Event | None = None
) -> Baton | RolloutResult | None:
    """Take a turn as a worker does that has just come."""
    assert not isinstance(baton, RolloutResult)
    desk = house.another()._desk
    leave = leave or anyio.Event()
    return await turn(desk, house.backend.journal, SHOP.id, rollout, holder=HOLDER, baton=baton, leave=leave)


async def carried(house: House, plan: Plan) -> tuple[RolloutResult, int]:
    """Take turn after turn; return how it ended, and after how many."""
    rollout, came = await begun(house, plan)
    turns = 0
    while not isinstance(came, RolloutResult):
        came = await one(house, rollout, came)
        turns += 1
    return came, turns


async def later(event: anyio.Event) -> None:
    """Set an event after a while."""
    await anyio.sleep(5)
    event.set()


def told(records: list[Record]) -> list[str]:
    """Return what was intended and settled, in order."""
    return [f"{each.kind} {each.step}" for each in records if isinstance(each, Intended | Settled)]


async def records(house: House, rollout: RolloutId) -> list[Record]:
    """Return the records of a rollout."""
    return [event.record for event in await house.events(rollout)]


def test_a_turn_for_each_step_leaves_the_same_journal_as_one_process() -> None:
    """Step by step, by as many workers as there are steps, the same is intended and settled, once."""

    async def story() -> tuple[list[str], list[str], int, int]:
        house, other = House(World(demand=BUSY)), House(World(demand=BUSY))
        plan = await planned(house)
        result, turns = await carried(house, plan)
        assert result.outcome is Outcome.PROMOTED
        house.unharmed()
        async with other.deployer.run(await planned(other)) as rollout:
            await rollout.result()
        return (
            told(await records(house, result.rollout)),
            told(await records(other, rollout.id)),
            turns,
            len(plan.steps),
        )

    stepwise, whole, turns, steps = virtually(story)

    assert stepwise == whole
    assert turns == steps


def test_a_bad_release_goes_back_within_the_turn_that_sees_it() -> None:
    """Guards keep what they have counted from turn to turn, and convict as in one process."""

    async def story() -> None:
        house = House(World({TWO.revision: Behaviour(error_share=0.5)}, demand=BUSY))
        result, _ = await carried(house, await planned(house))
        assert result.outcome is Outcome.ROLLED_BACK
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_what_was_begun_is_not_begun_twice() -> None:
    """A worker that dies after the lease was taken leaves it to the next attempt of the same workflow only."""

    async def story() -> None:
        house = House()
        plan = await planned(house)
        assert await begun(house, plan) == await begun(house, plan)
        with pytest.raises(LeaseHeld):
            await first_turn(
                house.another()._desk, plan, "temporal:other", on_conflict="refuse", validate=False
            )

    virtually(story)


@pytest.mark.parametrize(
    ("on_crash", "outcome"), [("undo", Outcome.ROLLED_BACK), ("resume", Outcome.PROMOTED)]
)
def test_a_turn_that_was_cut_off_is_recovered_as_the_plan_says(
    on_crash: Literal["undo", "resume"], outcome: Outcome
) -> None:
    """The next attempt waits until the lease has expired, and goes back, or on."""

    async def story() -> None:
        house = House()
        plan = await planned(house)
        plan = replace(plan, undo=replace(plan.undo, on_crash=on_crash))
        rollout, came = await begun(house, plan)
        for _ in range(2):
            came = await one(house, rollout, came)
        with anyio.move_on_after(0.01):
            await one(house, rollout, came)
        began, came = anyio.current_time(), await one(house, rollout, None)
        assert anyio.current_time() - began >= 15 - 1
        while not isinstance(came, RolloutResult):
            came = await one(house, rollout, came)
        assert came.outcome is outcome
        assert len(await house.records(TookOver)) == 1
        house.unharmed()

    virtually(story)


def test_a_worker_that_leaves_hands_the_step_on() -> None:
    """Told to leave in the middle of a bake it returns at once, and the next one goes on without having crashed."""

    async def story() -> None:
        house = House()
        plan = await planned(house)
        rollout, came = await begun(house, plan)
        while not isinstance(came, RolloutResult):
            assert isinstance(came, Baton)
            if came.step == "bake-25":
                leave = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(later, leave)
                    left = await one(house, rollout, came, leave)
                    assert isinstance(left, Baton)
                    assert left.step == came.step
            came = await one(house, rollout, came)
        assert came.outcome is Outcome.PROMOTED
        assert await house.records(TookOver) == []

    virtually(story)


def test_commands_between_two_turns_are_obeyed_once() -> None:
    """What is asked while no worker acts is obeyed by the next; an approval counts where it is asked for."""

    async def story() -> None:
        house = House()
        plan = await planned(house, Approved(Rolling()))
        rollout, came = await begun(house, plan)
        journal = house.backend.journal
        while not isinstance(came, RolloutResult):
            assert isinstance(came, Baton)
            waits = came.step == "approve"
            async with anyio.create_task_group() as tasks:
                if waits:

                    async def approve() -> None:
                        await anyio.sleep(5)
                        await journal.send(rollout, Command(verb="promote", by="somebody"))

                    tasks.start_soon(approve)
                came = await one(house, rollout, came)
        assert came.outcome is Outcome.PROMOTED
        plan = await house.deployer.plan(SHOP, ONE, Rolling())
        rollout, came = await begun(house, plan)
        await journal.send(rollout, Command(verb="abort", by="somebody"))
        came = await one(house, rollout, came)
        assert isinstance(came, RolloutResult)
        assert came.outcome is Outcome.ABORTED

    virtually(story)


def test_whoever_was_overtaken_follows() -> None:
    """A rollout that somebody recovered between two turns is told as it ended."""

    async def story() -> None:
        house = House()
        rollout, came = await begun(house, await planned(house))
        came = await one(house, rollout, came)
        house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
        (recovered,) = await house.another().recover()
        assert await one(house, rollout, came) == recovered

    virtually(story)


def test_a_journal_of_turns_ends_once() -> None:
    """Whoever asks after the end gets the result, and writes nothing."""

    async def story() -> None:
        house = House(journal=MemoryJournal())
        result, _ = await carried(house, await planned(house))
        before = await house.events()
        assert await one(house, result.rollout, None) == result
        assert await house.events() == before
        assert len([each for each in await records(house, result.rollout) if isinstance(each, Ended)]) == 1

    virtually(story)

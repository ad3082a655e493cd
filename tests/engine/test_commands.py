"""Steering a rollout from elsewhere: another deployer on the same journal is another program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.errors import Refused, UnknownRollout
from fairdeploy.model import Command, Intended, Outcome, Paused, Progressed, Resumed, Settled
from fairdeploy.strategies import Approved, BlueGreen, Canary
from fairdeploy.testing.simulation import World
from tests.engine.simulated import BUSY, ONE, SHOP, TWO, House, virtually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.engine import Rollout
    from fairdeploy.model import RolloutResult
    from fairdeploy.protocols import Strategy

CANARY = Canary(steps=(25, 50, 100), bake=60, keep_warm=0)


async def steered(
    house: House, strategy: Strategy, at: str, deed: Callable[[Rollout], Awaitable[object]]
) -> RolloutResult:
    """Run a rollout; when a step begins, let another program do something to it."""
    plan = await house.deployer.plan(SHOP, TWO, strategy)
    async with house.deployer.run(plan) as rollout:
        async for event in rollout.events():
            if isinstance(event.record, Intended) and event.record.step == at:
                await deed(await house.another().attach(rollout.id))
        return await rollout.result()


async def house_with() -> House:
    """Return a house in which the first release stands."""
    house = House(World(demand=BUSY))
    await house.standing(ONE)
    return house


def test_a_pause_stops_the_bake_clock_until_it_is_resumed() -> None:
    """A pause of an hour makes the rollout an hour longer, and is in the journal."""

    async def story() -> None:
        house = await house_with()

        async def deed(rollout: Rollout) -> None:
            await rollout.pause("lunch")
            await anyio.sleep(600)
            await rollout.resume("back")

        result = await steered(house, CANARY, "bake-25", deed)
        assert result.promoted
        assert 770 < result.seconds < 800
        assert await house.records(Paused) == [Paused(reason="lunch")]
        assert await house.records(Resumed) == [Resumed(reason="back")]
        house.unharmed()

    virtually(story)


def test_nothing_begins_while_paused() -> None:
    """The step that is under way is finished; the next one waits."""

    async def story() -> None:
        house = await house_with()

        async def deed(rollout: Rollout) -> None:
            await rollout.pause()
            await anyio.sleep(100)
            assert [r for r in await house.records(Intended) if r.step == "shift-25"] == []  # type: ignore[union-attr]  # filtered
            await rollout.resume()

        assert (await steered(house, CANARY, "ready", deed)).promoted

    virtually(story)


def test_promote_ends_the_present_bake_only() -> None:
    """The other bakes take their time."""

    async def story() -> None:
        house = await house_with()
        result = await steered(house, CANARY, "bake-25", lambda rollout: rollout.promote())
        assert result.promoted
        assert 120 < result.seconds < 140

    virtually(story)


def test_promote_in_full_ends_all_bakes() -> None:
    """Every step is still made, and every guard still asked."""

    async def story() -> None:
        house = await house_with()
        result = await steered(house, CANARY, "bake-25", lambda rollout: rollout.promote(full=True))
        assert result.promoted
        assert result.seconds < 20
        house.unharmed()

    virtually(story)


def test_promote_ends_a_pause() -> None:
    """Once: the bake after it takes its time."""

    async def story() -> None:
        house = await house_with()

        async def deed(rollout: Rollout) -> None:
            await rollout.pause()
            await anyio.sleep(30)
            await rollout.promote()

        result = await steered(house, CANARY, "bake-25", deed)
        assert result.promoted
        assert result.seconds > 200

    virtually(story)


@pytest.mark.parametrize("at", ["start", "ready", "shift-25", "bake-25", "scale-100", "bake-100"])
def test_an_abort_at_any_step_goes_back_to_stable(at: str) -> None:
    """Whatever the rollout waits for, the abort interrupts it."""

    async def story() -> None:
        house = await house_with()
        result = await steered(house, CANARY, at, lambda rollout: rollout.abort("changed my mind"))
        assert result.outcome is Outcome.ABORTED
        assert result.reason.startswith("aborted by ")
        assert result.reason.endswith(": changed my mind")
        assert result.seconds < 200
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_an_abort_before_the_first_step_changes_nothing() -> None:
    """A command that was sent before anybody listened is not lost."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, CANARY)
        async with house.deployer.run(plan) as rollout:
            await rollout.abort()
            result = await rollout.result()
        assert result.outcome is Outcome.ABORTED
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_an_abort_ends_a_pause_and_an_approval() -> None:
    """Neither must be resumed first."""

    async def story() -> None:
        house = await house_with()

        async def deed(rollout: Rollout) -> None:
            await rollout.pause()
            await anyio.sleep(10)
            await rollout.abort()

        assert (await steered(house, CANARY, "bake-50", deed)).outcome is Outcome.ABORTED
        strategy = Approved(BlueGreen(watch=1))
        result = await steered(house, strategy, "approve", lambda rollout: rollout.abort())
        assert result.outcome is Outcome.ABORTED
        house.serves_only(ONE)

    virtually(story)


def test_an_abort_of_an_approval_by_the_deployer_leaves_its_program_in_charge() -> None:
    """The program that waits for the approval lives: nobody takes over from it."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, Approved(BlueGreen(watch=1)))
        result = None
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if event.record.kind == "parked":
                    result = await house.another().abort(SHOP)
                    break
        assert result is not None
        assert result.outcome is Outcome.ABORTED
        assert [e for e in await house.events(rollout.id) if e.record.kind == "took_over"] == []

    virtually(story)


def test_an_abort_after_the_promotion_is_too_late() -> None:
    """It says so, and goes forward."""

    async def story() -> None:
        house = await house_with()
        result = await steered(house, CANARY, "drain", lambda rollout: rollout.abort())
        assert result.promoted
        house.serves_only(TWO)
        said = [r.message for r in await house.records(Progressed) if isinstance(r, Progressed)]
        assert "too late to stop: it is being promoted" in said

    virtually(story)


def test_a_pause_on_the_way_back_does_not_stop_it() -> None:
    """Nothing but its own deadline interrupts the way back."""

    async def story() -> None:
        house = await house_with()

        async def deed(rollout: Rollout) -> None:
            await rollout.abort()
            await rollout.pause()
            await rollout.pause()
            await rollout.promote()

        assert (await steered(house, CANARY, "bake-50", deed)).outcome is Outcome.ABORTED
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


@pytest.mark.parametrize("verb", ["pause", "resume", "promote", "abort"])
def test_a_command_to_an_ended_rollout_is_refused(verb: str) -> None:
    """Also when the end of its warm window was recorded after its end."""

    async def story() -> None:
        house = await house_with()
        result = await house.deployer.deploy(SHOP, TWO, BlueGreen(watch=1, keep_warm=10))
        rollout = await house.another().attach(result.rollout)
        for _ in range(2):
            with pytest.raises(Refused, match=f"has ended .promoted.: there is nothing to {verb}"):
                await getattr(rollout, verb)()
            house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
            await house.deployer.recover()
        last = (await house.events(result.rollout))[-1].record
        assert isinstance(last, Settled)
        assert last.step == f"due:{SHOP.id}:{ONE.revision}"

    virtually(story)


def test_an_unknown_rollout_cannot_be_attached_to() -> None:
    """The error says where those are that there are."""

    async def story() -> None:
        with pytest.raises(UnknownRollout, match=r"'nobody'.*see history"):
            await House().deployer.attach("nobody")

    virtually(story)


def test_events_can_be_taken_up_again_anywhere_also_after_the_end() -> None:
    """A cursor at any position gives what follows, and ends with the end."""

    async def story() -> None:
        house = await house_with()
        result = await house.deployer.deploy(SHOP, TWO, BlueGreen(watch=1, keep_warm=0))
        rollout = await house.another().attach(result.rollout)
        whole = [event async for event in rollout.events()]
        for index, event in enumerate(whole):
            with anyio.fail_after(10):
                assert [each async for each in rollout.events(since=event.seq)] == whole[index + 1 :]
        assert await rollout.result() == result

    virtually(story)


def test_commands_say_who_sent_them() -> None:
    """The journal names the user, the host and the process."""

    async def story() -> None:
        house = await house_with()
        await steered(house, CANARY, "bake-25", lambda rollout: rollout.promote(full=True, reason="fine"))
        command = (await house.records(Command))[0]
        assert isinstance(command, Command)
        assert command.reason == "fine"
        assert "@" in command.by

    virtually(story)

"""What each strategy does in a world that behaves, and in one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import DeploymentError, RollbackError, UnknownTarget
from fairdeploy.model import Intended, Outcome, Shift, Split, Window
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling, Windowed, sequence
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.simulation import Behaviour, World
from tests.engine.simulated import (
    BUSY,
    FOUR,
    ONE,
    SHOP,
    THREE,
    TWO,
    WORKER,
    House,
    due_of,
    release,
    virtually,
)

if TYPE_CHECKING:
    from fairdeploy.protocols import Strategy

BAD = Behaviour(error_share=0.05)
THURSDAY = 1_767_225_600.0
"""2026-01-01, a Thursday, in seconds since 1970."""
CANARY = Canary(steps=(5, 25, 100), bake=60, keep_warm=0)
STRATEGIES: dict[str, Strategy] = {
    "canary": CANARY,
    "blue-green": BlueGreen(watch=30, keep_warm=0),
    "rolling": Rolling(max_surge=1, watch=30),
    "recreate": Recreate(watch=30),
    "approved rolling": Approved(Rolling(max_surge=1), timeout=5, then="continue"),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_good_release_is_promoted_and_serves_alone(name: str) -> None:
    """The candidate ends with the mark, the traffic and the instances; nothing is lost on the way."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        result = await house.deployer.deploy(SHOP, TWO, STRATEGIES[name])
        assert result.outcome is Outcome.PROMOTED
        assert result.serving == ((SHOP.id, TWO.revision),)
        return house

    house = virtually(story)
    house.serves_only(TWO)
    if name == "recreate":
        assert {loss.cause for loss in house.world.losses} <= {"no_member"}
    else:
        house.unharmed()


@pytest.mark.parametrize("name", ["canary", "blue-green", "rolling", "recreate"])
def test_a_release_that_fails_five_percent_of_its_requests_is_sent_back(name: str) -> None:
    """Its errors convict it though its instances are ready; the old release serves alone again."""

    async def story() -> House:
        house = House(World({TWO.revision: BAD}, demand=BUSY))
        await house.standing(ONE)
        with pytest.raises(DeploymentError, match=r"failed at \d+") as caught:
            await house.deployer.deploy(SHOP, TWO, STRATEGIES[name])
        result = caught.value.result
        assert result is not None
        assert result.outcome is Outcome.ROLLED_BACK
        guard = "error-comparison" if name == "canary" else "error-rate"
        assert result.reason.startswith(f"{guard}: ")
        assert any(line.startswith(f"{guard}: fail") for line in result.evidence)
        return house

    house = virtually(story)
    house.serves_only(ONE)
    assert not house.world.violations


def test_the_error_says_at_which_share_the_canary_failed() -> None:
    """A fault that only shows from 25 % on is reported there, with what was counted."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, CANARY)
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                record = event.record
                if isinstance(record, Intended) and record.step == "shift-25":
                    house.world.behave(TWO.revision, BAD)
            result = await rollout.result()
        assert result.outcome is Outcome.ROLLED_BACK
        house.serves_only(ONE)
        house.unharmed()
        with pytest.raises(DeploymentError, match=r"^Canary failed at 25%: rolled_back after"):
            await _deploy_turning_bad(house)

    virtually(story)


async def _deploy_turning_bad(house: House) -> None:
    def turn(_when: str, effect: object) -> None:
        if "25 %" in str(effect):
            house.world.behaviours[THREE.revision] = BAD

    house.world.hook = turn
    await house.deployer.deploy(SHOP, THREE, CANARY)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(start_error="no such program", last_words=("boom",)),
        Behaviour(ready=False),
        Behaviour(crash_seconds=0.0, restart_seconds=None),
    ],
    ids=["does not start", "never gets ready", "crashes at once"],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_release_that_does_not_come_up_never_gets_traffic(behaviour: Behaviour, *, first: bool) -> None:
    """It goes back before the first request; a first deploy leaves not even a router behind."""

    async def story() -> House:
        house = House(World({TWO.revision: behaviour}, demand=BUSY))
        if not first:
            await house.standing(ONE)
        strategy = Canary(steps=(25, 100), bake=1, ready_deadline=20, keep_warm=0)
        with pytest.raises(DeploymentError, match="before it got traffic"):
            await house.deployer.deploy(SHOP, TWO, strategy)
        return house

    house = virtually(story)
    house.unharmed()
    if first:
        assert house.stable() is None
        assert house.counts() == {}
        assert house.world.place(SHOP.id).documents == []
    else:
        house.serves_only(ONE)


def test_the_last_words_of_what_did_not_start_are_the_evidence() -> None:
    """Whoever reads the error needs no other log."""

    async def story() -> None:
        house = House(World({TWO.revision: Behaviour(start_error="exit 3", last_words=("no module x",))}))
        await house.standing(ONE)
        with pytest.raises(DeploymentError, match="no module x"):
            await house.deployer.deploy(SHOP, TWO, BlueGreen())

    virtually(story)


def test_a_first_deploy_gets_everything_at_once() -> None:
    """There is nothing to protect yet, so no strategy is needed."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        result = await house.deployer.deploy(SHOP, ONE, CANARY)
        assert result.promoted
        return house

    house = virtually(story)
    house.serves_only(ONE)
    house.unharmed()


def test_the_same_release_again_is_no_change() -> None:
    """A redeploy is a promoted rollout without steps."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        effects = len(house.world.effects)
        plan = await house.deployer.plan(SHOP, ONE, CANARY)
        assert not plan.changes
        assert (await house.deployer.deploy(SHOP, ONE, CANARY)).promoted
        assert len(house.world.effects) == effects

    virtually(story)


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_scaling_loses_nothing(replicas: int) -> None:
    """Instances come before they are counted on, and go after their requests have ended."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        assert (await house.deployer.scale(SHOP, replicas)).promoted
        return house

    house = virtually(story)
    house.serves_only(ONE, replicas=replicas)
    house.unharmed()


def test_a_restart_replaces_every_instance_without_loss() -> None:
    """Afterwards the same release runs, and none of the instances from before."""

    async def story() -> tuple[House, set[str]]:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        before = {machine.id for machine in house.world.place(SHOP.id).running()}
        assert (await house.deployer.restart(SHOP)).promoted
        return house, before

    house, before = virtually(story)
    assert before.isdisjoint(machine.id for machine in house.world.place(SHOP.id).running())
    house.serves_only(ONE)
    house.unharmed()


@pytest.mark.parametrize("verb", ["scale", "restart", "rollback"])
def test_a_verb_on_nothing_is_an_unknown_target(verb: str) -> None:
    """Nothing is deployed, so there is nothing to change."""

    async def story() -> None:
        house = House()
        arguments = (SHOP, 2) if verb == "scale" else (SHOP,)
        with pytest.raises(UnknownTarget, match="nothing is deployed at 'shop/production'"):
            await getattr(house.deployer, verb)(*arguments)

    virtually(story)


def test_a_warm_rollback_starts_nothing() -> None:
    """Within the warm window the old instances take over as they are."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        await house.standing(ONE, TWO, strategy=BlueGreen(watch=1, keep_warm=600))
        before = {m.id for m in house.world.place(SHOP.id).running(ONE.revision)}
        assert (await house.deployer.rollback(SHOP)).promoted
        assert before == {m.id for m in house.world.place(SHOP.id).running(ONE.revision)}
        return house

    house = virtually(story)
    assert house.stable() == ONE.revision
    assert house.split() == Split.all_to(ONE.revision)
    house.unharmed()


def test_a_cold_rollback_starts_the_old_release_first() -> None:
    """When the warm window is over, the journal still knows the release."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        await house.standing(ONE, TWO)
        assert house.counts() == {TWO.revision: 3}
        assert (await house.deployer.rollback(SHOP)).promoted
        return house

    house = virtually(story)
    house.serves_only(ONE)
    house.unharmed()


def test_a_rollback_goes_to_the_version_that_is_named() -> None:
    """Any verified version can be named, and none that was never promoted."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE, TWO, THREE)
        with pytest.raises(RollbackError, match="never promoted to '9'"):
            await house.deployer.rollback(SHOP, to="9")
        assert (await house.deployer.rollback(SHOP, to="1")).promoted
        house.serves_only(ONE)

    virtually(story)


def test_a_second_rollback_goes_further_back_and_never_to_what_was_just_left() -> None:
    """A rollback condemns what it leaves."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE, TWO, THREE)
        await house.deployer.rollback(SHOP)
        house.serves_only(TWO)
        await house.deployer.rollback(SHOP)
        house.serves_only(ONE)
        with pytest.raises(RollbackError, match="no verified revision before"):
            await house.deployer.rollback(SHOP)
        with pytest.raises(RollbackError, match="never promoted"):
            await house.deployer.rollback(SHOP, to="3")

    virtually(story)


def test_a_rollback_during_a_rollout_aborts_it() -> None:
    """Its base is what there is to go back to."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, CANARY)
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "bake-25":
                    break
            result = await house.another().rollback(SHOP, reason="enough")
        assert result.outcome is Outcome.ABORTED
        assert "enough" in result.reason
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_the_warm_window_ends_with_the_next_recovery_after_it() -> None:
    """Not before its date; then the old revision goes, and nothing is due any more."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE, TWO, strategy=BlueGreen(watch=1, keep_warm=600))
        await house.deployer.recover()
        assert set(house.counts()) == {ONE.revision, TWO.revision}
        house.world.clock.jump(601)  # type: ignore[attr-defined]  # a `VirtualClock`
        await house.deployer.recover()
        house.serves_only(TWO)
        assert due_of(await house.deployer.history(SHOP)) == []
        house.unharmed()

    virtually(story)


def test_an_older_window_does_not_end_a_newer_one() -> None:
    """A revision that was gone back to and left again is kept for the whole of its last window."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        keeping = BlueGreen(watch=1, keep_warm=600)
        await house.standing(ONE, TWO, strategy=keeping)
        await house.deployer.rollback(SHOP)
        house.world.clock.jump(400)  # type: ignore[attr-defined]  # a `VirtualClock`
        await house.deployer.deploy(SHOP, TWO, keeping)
        house.world.clock.jump(250)  # type: ignore[attr-defined]  # a `VirtualClock`
        await house.deployer.recover()
        assert set(house.counts()) == {ONE.revision, TWO.revision}
        house.world.clock.jump(400)  # type: ignore[attr-defined]  # a `VirtualClock`
        await house.deployer.recover()
        house.serves_only(TWO)
        assert due_of(await house.deployer.history(SHOP)) == []
        house.unharmed()

    virtually(story)


def test_an_approval_lets_the_rollout_on() -> None:
    """The gate is passed when somebody promotes, from any process."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, Approved(BlueGreen(watch=1, keep_warm=0)))
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if event.record.kind == "parked":
                    assert house.split() == Split.all_to(ONE.revision)
                    await (await house.another().attach(rollout.id)).promote()
            assert (await rollout.result()).promoted
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


@pytest.mark.parametrize(("then", "end"), [("abort", ONE), ("continue", TWO)])
def test_an_approval_that_nobody_gives_ends_as_the_plan_says(then: str, end: object) -> None:
    """Silence has a consequence, and the plan names it."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        strategy = Approved(Rolling(max_surge=1), timeout=60, then=then)  # type: ignore[arg-type]  # a Literal
        plan = await house.deployer.plan(SHOP, TWO, strategy)
        async with house.deployer.run(plan) as rollout:
            result = await rollout.result()
        assert result.outcome is (Outcome.PROMOTED if end is TWO else Outcome.ABORTED)
        return house

    house = virtually(story)
    house.serves_only(end)  # type: ignore[arg-type]  # a release
    house.unharmed()


def test_a_promote_from_before_the_question_does_not_approve() -> None:
    """Two `promote` commands while instances start are no approval of what comes later."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, Approved(BlueGreen(watch=1), timeout=60))
        async with house.deployer.run(plan) as rollout:
            await rollout.promote()
            await rollout.promote()
            result = await rollout.result()
        assert result.outcome is Outcome.ABORTED
        house.serves_only(ONE)

    virtually(story)


def test_a_rejected_recreate_takes_nothing_down() -> None:
    """As long as the candidate was never started, going back touches no traffic."""

    async def story() -> House:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        with pytest.raises(DeploymentError):
            await house.deployer.deploy(SHOP, TWO, Approved(Recreate(), timeout=60))
        return house

    house = virtually(story)
    house.serves_only(ONE)
    house.unharmed()


def test_nothing_moves_before_the_window_opens() -> None:
    """It is a Thursday, a minute before nine; the window opens at nine."""

    async def story() -> None:
        house = House(World(clock=VirtualClock(THURSDAY + 9 * 3600 - 60)))
        await house.standing(ONE)
        began = house.world.now()
        strategy = Windowed(Rolling(max_surge=1), Window(days=(3,)))
        await house.deployer.deploy(SHOP, TWO, strategy)
        first = next(effect for effect in house.world.effects if effect.at > began)
        assert first.at >= 60
        house.serves_only(TWO)

    virtually(story)


def test_a_window_that_does_not_open_in_time_aborts() -> None:
    """Nothing has moved by then, so nothing moves back."""

    async def story() -> None:
        house = House()
        await house.standing(ONE)
        effects = len(house.world.effects)
        with pytest.raises(DeploymentError, match="window did not come within"):
            await house.deployer.deploy(
                SHOP, TWO, Windowed(Rolling(max_surge=1), Window(days=(3,)), timeout=60)
            )
        assert [e for e in house.world.effects[effects:] if e.changed] == []
        house.serves_only(ONE)

    virtually(story)


def test_two_targets_are_promoted_together() -> None:
    """Of a sequence, no target is promoted before all have come that far."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        job = release("7")
        plan = sequence(
            await house.deployer.plan(SHOP, ONE, CANARY),
            await house.deployer.plan(WORKER, job, Rolling(max_surge=1)),
        )
        async with house.deployer.run(plan) as rollout:
            assert (await rollout.result()).promoted
        house.serves_only(ONE)
        assert house.stable(WORKER) == job.revision
        names = [e.name for e in house.world.effects]
        first = names.index("backend.promote")
        assert names[first : first + 2] == ["backend.promote", "backend.promote"]
        house.unharmed()

    virtually(story)


def test_a_failure_in_the_second_target_undoes_both() -> None:
    """One point of no return for all: before it every target goes back."""

    async def story() -> None:
        jobs = (release("7"), release("8"))
        house = House(World({jobs[1].revision: Behaviour(ready=False)}, demand=BUSY))
        await house.standing(ONE)
        await house.standing(jobs[0], target=WORKER, strategy=Rolling(max_surge=1))
        plan = sequence(
            await house.deployer.plan(SHOP, TWO, BlueGreen(watch=1, keep_warm=0)),
            await house.deployer.plan(WORKER, jobs[1], Rolling(max_surge=1, ready_deadline=10)),
        )
        async with house.deployer.run(plan) as rollout:
            result = await rollout.result()
        assert result.outcome is Outcome.ROLLED_BACK
        house.serves_only(ONE)
        house.serves_only(jobs[0], WORKER)
        house.unharmed()

    virtually(story)


def test_a_stable_that_is_smaller_than_wanted_is_gone_back_to_as_it_was() -> None:
    """The way back restores what there was, not what the target asks for by now."""

    async def story() -> None:
        house = House(World({TWO.revision: BAD}, demand=BUSY))
        await house.standing(ONE)
        await house.deployer.scale(SHOP, 1)
        with pytest.raises(DeploymentError):
            await house.deployer.deploy(SHOP, TWO, BlueGreen(watch=60, keep_warm=0))
        assert house.stable() == ONE.revision
        assert house.split() == Split.all_to(ONE.revision)
        assert set(house.counts()) == {ONE.revision}
        assert house.world.losses == ()

    virtually(story)


def test_every_release_of_a_long_history_stays_known() -> None:
    """Four deploys, each by another strategy, and a rollback to the very first."""

    async def story() -> None:
        house = House(World(demand=BUSY))
        for each, strategy in zip((ONE, TWO, THREE, FOUR), list(STRATEGIES.values())[:4], strict=True):
            await house.deployer.deploy(SHOP, each, strategy)
        assert (await house.deployer.rollback(SHOP, to=ONE.revision)).promoted
        house.serves_only(ONE)
        shifts = [
            s for info in await house.deployer.history(SHOP) for s in info.plan.steps if s.kind == "shift"
        ]
        assert all(isinstance(each, Shift) for each in shifts)

    virtually(story)

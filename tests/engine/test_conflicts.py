"""Two rollouts on one target: refused, queued or superseding, never interleaved; and plans that do not fit."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import InvalidInput, LeaseHeld, Refused, StalePlan, Unbound, UnsupportedCapability
from fairdeploy.model import BoundCheck, Capability, CheckResult, Intended, Outcome, Target, Verdict
from fairdeploy.strategies import BlueGreen, Canary, Rolling, sequence
from fairdeploy.testing.simulation import SimulatedBackend, World
from tests.engine.simulated import BUSY, FOUR, ONE, SHOP, THREE, TWO, WORKER, House, Life, live, virtually

SLOW = Canary(steps=(50, 100), bake=30, keep_warm=0)
QUICK = BlueGreen(watch=1, keep_warm=0)


async def house_with() -> House:
    """Return a house in which the first release stands."""
    house = House(World(demand=BUSY))
    await house.standing(ONE)
    return house


def state(house: House) -> tuple[object, ...]:
    """Return everything that a refused request must leave as it is."""
    place = house.world.place(SHOP.id)
    return (
        place.stable,
        dict(place.replicas),
        tuple(place.documents),
        len(house.world.effects),
        len(place.machines),
    )


def test_a_second_rollout_is_refused_and_changes_nothing() -> None:
    """The message names who holds the target and what can be done."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, SLOW)
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "bake-50":
                    before = state(house)
                    with pytest.raises(LeaseHeld, match=f"held by rollout '{rollout.id}'"):
                        await house.another().deploy(SHOP, THREE, QUICK)
                    assert state(house) == before
            assert (await rollout.result()).promoted
        house.serves_only(TWO)

    virtually(story)


def test_what_was_adopted_is_not_scaled_but_replaced() -> None:
    """No journal holds its release: `Rolling` is refused, and told what works instead."""

    async def story() -> None:
        house = await house_with()
        before = state(house)
        stranger = Deployer(SimulatedBackend(house.world), clock=house.world.clock)
        with pytest.raises(Refused, match=r"which was adopted.*use BlueGreen or Canary"):
            await stranger.plan(SHOP, TWO, Rolling())
        assert state(house) == before
        assert (await stranger.deploy(SHOP, TWO, QUICK)).promoted
        house.serves_only(TWO)

    virtually(story)


def test_a_queued_rollout_follows_the_one_before_it() -> None:
    """It is planned for what the other has left."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, SLOW)
        async with house.deployer.run(plan):
            result = await house.another().deploy(SHOP, THREE, QUICK, on_conflict="queue")
        assert result.promoted
        assert [i.result.outcome for i in await house.deployer.history(SHOP) if i.result] == ["promoted"] * 3
        house.serves_only(THREE)
        house.unharmed()

    virtually(story)


def test_several_queued_rollouts_all_get_their_turn() -> None:
    """Who waits is never refused because another that waited was faster."""

    async def story() -> None:
        house = await house_with()
        results = []

        async def deploy(release: object) -> None:
            result = await house.another().deploy(SHOP, release, QUICK, on_conflict="queue")  # type: ignore[arg-type]  # a release
            results.append(result.outcome)

        async with anyio.create_task_group() as tasks:
            for each in (TWO, THREE, FOUR):
                tasks.start_soon(deploy, each)
        assert results == [Outcome.PROMOTED] * 3
        assert len(house.counts()) == 1
        house.unharmed()

    virtually(story)


def test_a_queue_behind_a_program_that_dies_goes_on() -> None:
    """When the lease of the dead program has expired, whoever waits brings its rollout back first."""

    async def story() -> None:
        house = await house_with()
        life = Life(30)
        outcome = Outcome.NEEDS_ATTENTION
        async with anyio.create_task_group() as tasks:

            async def dies() -> None:
                assert await live(house, life, lambda deployer: deployer.deploy(SHOP, TWO, SLOW))

            tasks.start_soon(dies)
            while life.passed < 20:  # noqa: ASYNC110 - a boundary tells nobody
                await anyio.sleep(0.01)
            waiting = house.another()
            with anyio.fail_after(300):
                outcome = (await waiting.deploy(SHOP, THREE, QUICK, on_conflict="queue")).outcome
        assert outcome is Outcome.PROMOTED
        outcomes = [i.result.outcome for i in await house.deployer.history(SHOP) if i.result]
        assert outcomes == ["promoted", "rolled_back", "promoted"]
        house.serves_only(THREE)
        house.unharmed()

    virtually(story)


def test_a_superseding_rollout_sends_the_other_back_first() -> None:
    """The other ends as superseded; the two never act at the same time."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, SLOW)
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "bake-50":
                    break
            result = await house.another().deploy(SHOP, THREE, QUICK, on_conflict="supersede")
            assert (await rollout.result()).outcome is Outcome.SUPERSEDED
        assert result.promoted
        house.serves_only(THREE)
        house.unharmed()
        epochs = [effect.epoch for effect in house.world.effects]
        assert epochs == sorted(epochs)

    virtually(story)


def test_a_stale_plan_is_refused_and_nothing_changes() -> None:
    """Journal and world are as they were before."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, QUICK)
        await house.deployer.deploy(SHOP, THREE, QUICK)
        before, events = state(house), await house.events()
        with pytest.raises(StalePlan, match=r"stable was '1-.* and is '3-"):
            async with house.deployer.run(plan):
                pass
        assert state(house) == before
        assert await house.events() == events

    virtually(story)


def test_a_plan_that_gets_stale_between_look_and_lease_gives_the_lease_back() -> None:
    """The second look, under the lease, finds it; the target is free again."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, QUICK)
        begin = house.backend.journal.begin

        class Late:
            """A journal in which somebody else promotes just before the lease is granted."""

            def __getattr__(self, name: str) -> object:
                return getattr(house.backend.journal, name)

            async def begin(self, *arguments: object) -> object:
                house.world.place(SHOP.id).stable = "other"
                return await begin(*arguments)  # type: ignore[arg-type]  # as they came

        late = Deployer(SimulatedBackend(house.world, journal=Late()), clock=house.world.clock)  # type: ignore[arg-type]  # by delegation
        with pytest.raises(StalePlan):
            async with late.run(plan):
                pass
        house.world.place(SHOP.id).stable = ONE.revision
        assert (await house.deployer.deploy(SHOP, TWO, QUICK)).promoted

    virtually(story)


def test_a_plan_with_a_check_that_is_not_given_is_refused() -> None:
    """The message says how to give it; nothing has begun."""

    async def story() -> None:
        house = await house_with()

        async def fine(_subject: object, /) -> CheckResult:
            return CheckResult(Verdict.PASS)

        given = Deployer(house.backend, checks={"smoke": fine}, clock=house.world.clock)
        plan = await given.plan(SHOP, TWO, QUICK)
        before, events = state(house), await house.events()
        with pytest.raises(Unbound, match="needs the check 'smoke'"):
            async with house.deployer.run(plan):
                pass
        assert (state(house), await house.events()) == (before, events)
        async with given.run(plan) as rollout:
            assert (await rollout.result()).promoted

    virtually(story)


def test_a_backend_that_cannot_is_found_out_before_anything_moves() -> None:
    """The missing ability is named."""

    async def story() -> None:
        world = World()
        backend = SimulatedBackend(world, without=frozenset({Capability.WEIGHTS}))
        deployer = Deployer(backend, clock=world.clock)
        with pytest.raises(UnsupportedCapability, match="weights"):
            await deployer.plan(SHOP, ONE, SLOW)
        assert world.effects == []
        assert await backend.journal.rollouts() == ()

    virtually(story)


def test_a_deployer_needs_a_backend_and_says_which_it_has() -> None:
    """None, too many, or an unknown one: each is an error that names the remedy."""

    async def story() -> None:
        house = House()
        with pytest.raises(InvalidInput, match="needs a backend"):
            Deployer({})
        both = Deployer({"a": house.backend, "b": SimulatedBackend()}, clock=house.world.clock)
        with pytest.raises(InvalidInput, match="name one of the backends"):
            await both.plan(SHOP, ONE, QUICK)
        with pytest.raises(InvalidInput, match="no backend 'c'"):
            await both.plan(SHOP, ONE, QUICK, backend="c")

    virtually(story)


def test_one_plan_over_backends_with_different_journals_is_refused() -> None:
    """A lease is atomic within one journal only."""

    async def story() -> None:
        world = World()
        backends = {"a": SimulatedBackend(world), "b": SimulatedBackend(world)}
        deployer = Deployer(backends, clock=world.clock)
        plan = sequence(
            await deployer.plan(SHOP, ONE, QUICK, backend="a"),
            await deployer.plan(WORKER, ONE, Rolling(max_surge=1), backend="b"),
        )
        with pytest.raises(InvalidInput, match="different journals"):
            async with deployer.run(plan):
                pass

    virtually(story)


def test_fifty_rollouts_at_once_in_one_journal_do_not_disturb_each_other() -> None:
    """Each target ends with its own release, whoever reads the journal for all of them."""

    async def story() -> None:
        house = House(World())
        targets = [Target(f"app{i}", endpoint=f"127.0.0.1:{9000 + i}") for i in range(50)]
        ends: Counter[str] = Counter()

        async def one(target: Target) -> None:
            for each in (ONE, TWO):
                result = await house.another().deploy(target, each, BlueGreen(watch=5, keep_warm=0))
                ends[result.outcome] += 1

        async with anyio.create_task_group() as tasks:
            for target in targets:
                tasks.start_soon(one, target)
        assert ends == {"promoted": 100}
        for target in targets:
            house.serves_only(TWO, target)
        house.unharmed()

    virtually(story)


def test_a_check_of_the_deployer_is_asked_before_traffic_and_while_it_has_some() -> None:
    """A callable is bound by its name: in the `Verify` step and as a guard."""

    async def story() -> None:
        house = await house_with()
        asked: list[str] = []

        async def smoke(subject: object, /) -> CheckResult:
            asked.append(str(house.split()))
            return CheckResult(Verdict.PASS)

        house.checks["smoke"] = smoke
        deployer = house.another()
        plan = await deployer.plan(SHOP, TWO, QUICK)
        assert BoundCheck("smoke") in [guard.check for guard in plan.guards]
        async with deployer.run(plan) as rollout:
            assert (await rollout.result()).policy.endswith("error-rate was no_data: continue")
        assert asked[0].startswith(ONE.revision)
        assert asked[-1].startswith(TWO.revision)

    virtually(story)

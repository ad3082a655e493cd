"""Steps on databases: what is declared decides what stays, what goes back by itself, and where a person is asked."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import DeploymentError, InvalidInput, Refused, RollbackError, StalePlan, Unbound
from fairdeploy.model import ErrorRate, Intended, Migrate, Outcome, Split
from fairdeploy.strategies import BlueGreen, Canary, Migrated, Recreate, sequence
from fairdeploy.testing.simulation import (
    Behaviour,
    Demand,
    Fault,
    SimulatedBackend,
    SimulatedMigration,
    SimulatedStore,
    World,
)
from tests.engine.simulated import (
    ONE,
    SHOP,
    TWO,
    WORKER,
    House,
    Life,
    complaints,
    live,
    promotion_was_intended,
    recovered,
    virtually,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.model import MigrationClass, RolloutResult
    from fairdeploy.protocols import Strategy

BAD = Behaviour(error_share=0.5)
QUICK = BlueGreen(
    watch=2, keep_warm=0, preview_header=None, analysis=[ErrorRate(max_percent=5, min_requests=10)]
)
NEXT = SimulatedMigration("2")


def house_of(*migrations: SimulatedMigration, bad: bool = False, writes: bool = False) -> House:
    """Return a house with a database that begins at version 1."""
    world = World({TWO.revision: BAD} if bad else {}, demand=Demand(rate=20), check_seconds=0.01)
    store = SimulatedStore((SimulatedMigration("1"), *migrations), writes=writes)
    return House(world, stores={"shop": store})


async def deployed(house: House, strategy: Strategy) -> RolloutResult:
    """Deploy the second release, and return how that ended."""
    plan = await house.deployer.plan(SHOP, TWO, strategy)
    async with house.deployer.run(plan) as rollout:
        return await rollout.result()


def migrated(change: MigrationClass = "additive", inner: Strategy = QUICK, **more: object) -> Migrated:
    """Return a strategy that migrates to version 2."""
    return Migrated(inner, database="shop", to="2", change=change, **more)  # type: ignore[arg-type]  # as given


async def end_of(house: House, strategy: Strategy) -> RolloutResult:
    """Deploy the second release over the first one, and prove that no request was lost, nor anything violated."""
    await house.standing(ONE)
    result = await deployed(house, strategy)
    house.unharmed()
    return result


def test_the_database_is_migrated_before_the_candidate_starts() -> None:
    """Backup, migration, start: the order in the plan, and the database at the new version in the end."""

    async def story() -> None:
        house = house_of(NEXT)
        result = await end_of(house, migrated("reversible"))
        kinds = [step.kind for step in (await house.deployer.history(SHOP))[-1].plan.steps]

        assert kinds[:3] == ["backup", "migrate", "start"]
        assert result.promoted
        assert house.stores["shop"].version == "2"
        house.serves_only(TWO)

    virtually(story)


def test_an_addition_stays_when_the_release_goes_back() -> None:
    """The version before lives with it: the application goes back, the database needs nothing."""

    async def story() -> None:
        house = house_of(NEXT, bad=True)
        result = await end_of(house, migrated())

        assert result.outcome is Outcome.ROLLED_BACK
        assert (house.stores["shop"].version, house.stores["shop"].frozen) == ("2", False)
        house.serves_only(ONE)

    virtually(story)


def test_what_is_reversible_goes_back_once_the_candidate_has_gone() -> None:
    """The traffic first, then the candidate's instances, then its schema."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="reversible"), bad=True)
        result = await end_of(house, migrated("reversible"))
        names = [effect.name for effect in house.world.effects]

        assert result.outcome is Outcome.ROLLED_BACK
        assert house.stores["shop"].version == "1"
        assert len(names) - names[::-1].index("database.migrate") > len(names) - names[::-1].index(
            "backend.remove"
        )
        house.serves_only(ONE)

    virtually(story)


def test_what_would_lose_rows_is_frozen_and_a_person_is_asked() -> None:
    """Nobody has agreed to the loss: the application serves by stable, the database can be read, the digest is told."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="destructive"), bad=True, writes=True)
        result = await end_of(house, migrated("destructive"))
        store = house.stores["shop"]

        assert result.outcome is Outcome.NEEDS_ATTENTION
        assert (store.version, store.frozen, store.lost) == ("2", True, 0)
        assert "nobody has agreed to the loss" in result.reason
        assert "public.orders" in result.reason
        house.serves_only(ONE)

    virtually(story)


def test_what_loses_nothing_is_restored_without_asking() -> None:
    """Nobody has written since the backup."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="destructive"), bad=True)
        result = await end_of(house, migrated("destructive"))
        store = house.stores["shop"]

        assert result.outcome is Outcome.ROLLED_BACK
        assert (store.version, store.frozen, store.lost) == ("1", False, 0)

    virtually(story)


def test_consent_given_beforehand_restores() -> None:
    """The plan says so, and the rows written since are gone."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="destructive"), bad=True, writes=True)
        result = await end_of(house, migrated("destructive", on_loss="restore"))
        store = house.stores["shop"]

        assert result.outcome is Outcome.ROLLED_BACK
        assert (store.version, store.frozen) == ("1", False)
        assert store.lost > 0

    virtually(story)


def test_where_nobody_writes_a_restore_loses_nothing() -> None:
    """The database is read only from the backup on, and can be written again when it is back."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="destructive"), bad=True, writes=True)
        result = await end_of(house, migrated("destructive", read_only=True))
        store = house.stores["shop"]

        assert result.outcome is Outcome.ROLLED_BACK
        assert (store.version, store.frozen, store.lost) == ("1", False, 0)

    virtually(story)


@pytest.mark.parametrize("change", ["additive", "reversible", "destructive"])
def test_a_migration_that_fails_as_a_whole_leaves_nothing_to_do(change: MigrationClass) -> None:
    """The schema is as it was, and the hash of it proves it."""

    async def story() -> None:
        house = house_of(replace(NEXT, change=change, fails="clean"), writes=True)
        result = await end_of(house, migrated(change))
        store = house.stores["shop"]

        assert result.outcome is Outcome.ROLLED_BACK
        assert "migration '2' failed" in result.reason
        assert (store.version, store.half, store.frozen, store.lost) == ("1", False, False, 0)
        house.serves_only(ONE)

    virtually(story)


@pytest.mark.parametrize("change", ["additive", "reversible", "destructive"])
def test_half_a_migration_is_never_passed_over(change: MigrationClass) -> None:
    """The version says that nothing has happened; the schema's hash says otherwise."""

    async def story() -> None:
        house = house_of(replace(NEXT, change=change, fails="half"), writes=True)
        result = await end_of(house, migrated(change))
        store = house.stores["shop"]

        assert result.outcome is Outcome.NEEDS_ATTENTION
        assert store.half
        assert store.frozen is (change != "additive")
        house.serves_only(ONE)

    virtually(story)


def test_a_database_that_is_not_given_is_refused_before_anything_moves() -> None:
    """Planning needs it, running needs it; nothing has changed."""

    async def story() -> None:
        house = House()
        await house.standing(ONE)
        with pytest.raises(Unbound, match=r"databases=\{'shop'"):
            await house.deployer.plan(SHOP, TWO, migrated())

    virtually(story)


def test_a_database_that_has_moved_makes_the_plan_stale() -> None:
    """Somebody migrated it between the plan and its run."""

    async def story() -> None:
        house = house_of(NEXT)
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, migrated())
        store = house.stores["shop"]
        store.held = replace(store.held, version="2")
        with pytest.raises(StalePlan, match="was at '1' and is at '2'"):
            async with house.deployer.run(plan):
                pass

    virtually(story)


def test_a_frozen_database_is_not_migrated() -> None:
    """Why it is frozen has to be looked at first."""

    async def story() -> None:
        house = house_of(NEXT)
        house.stores["shop"].frozen = True
        await house.standing(ONE)
        with pytest.raises(Refused, match="frozen"):
            await house.deployer.plan(SHOP, TWO, migrated())

    virtually(story)


def test_whoever_recovers_without_the_database_takes_the_application_back_and_says_so() -> None:
    """A guard without bindings cannot look at the database: the traffic is safe, and a person is told."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="destructive"), bad=True)
        await house.standing(ONE)
        life = Life()
        await live(house, life, partial(_deploy, strategy=migrated("destructive")))
        total = life.passed

        house = house_of(replace(NEXT, change="destructive"), bad=True)
        await house.standing(ONE)
        assert await live(house, Life(total // 2), partial(_deploy, strategy=migrated("destructive")))
        house.stores.clear()
        (result,) = await recovered(house)

        assert result.outcome is Outcome.NEEDS_ATTENTION
        assert "database 'shop' is not given" in result.reason
        house.serves_only(ONE)

    virtually(story)


async def _deploy(deployer: Deployer, *, strategy: Strategy) -> None:
    with suppress(DeploymentError):
        await deployer.deploy(SHOP, TWO, strategy)


def test_a_database_that_stays_silent_does_not_keep_the_application_from_going_back() -> None:
    """The traffic is on stable long before the database is given up, and the result says what nobody could see."""

    async def story() -> None:
        house = house_of(replace(NEXT, change="reversible"), bad=True)
        await house.standing(ONE)
        house.world.faults.append(Fault(call="database.observe", kind="before", skip=4, times=10_000))
        result = await deployed(house, migrated("reversible", deadline=5))

        assert result.outcome is Outcome.NEEDS_ATTENTION
        assert "cannot be looked at" in result.reason
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_an_abort_does_not_wait_for_a_backup() -> None:
    """A backup leaves nothing half done: it is interrupted."""

    async def story() -> None:
        house = house_of(NEXT)
        house.stores["shop"].backup_seconds = 3_000
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, migrated(backup=True))
        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "backup":
                    await rollout.abort("changed my mind")
                    break
            result = await rollout.result()

        assert result.outcome is Outcome.ABORTED
        assert (result.ended_ms - result.started_ms) < 60_000
        assert house.stores["shop"].version == "1"

    virtually(story)


# The end of the rollback window.


def test_a_contract_ends_the_rollback_window() -> None:
    """Older revisions that are still warm go first; then nobody goes back, and the error says why."""

    async def story() -> None:
        house = house_of(NEXT, SimulatedMigration("3", change="destructive"))
        await house.standing(ONE)
        await house.deployer.deploy(SHOP, TWO, migrated(inner=replace(QUICK, keep_warm=3_600)))
        assert set(house.counts()) == {ONE.revision, TWO.revision}
        result = await house.deployer.contract(SHOP, "shop", "3")

        assert result.promoted
        assert house.stores["shop"].version == "3"
        house.serves_only(TWO)
        house.unharmed()
        with pytest.raises(RollbackError, match="ended the rollback window"):
            await house.deployer.rollback(SHOP)
        with pytest.raises(RollbackError, match="ended the rollback window"):
            await house.deployer.rollback(SHOP, to="1")
        with pytest.raises(Refused, match="nothing to contract"):
            await house.deployer.contract(SHOP, "shop", "3")

    virtually(story)


def test_a_contract_that_fails_says_so() -> None:
    """It is past its point of no return: it is not taken for done."""

    async def story() -> None:
        house = house_of(NEXT, SimulatedMigration("3", change="destructive", fails="clean"))
        await house.standing(ONE)
        await house.deployer.deploy(SHOP, TWO, migrated())
        with pytest.raises(DeploymentError, match="migration '3' failed") as caught:
            await house.deployer.contract(SHOP, "shop", "3")

        assert caught.value.result is not None
        assert caught.value.result.outcome is Outcome.NEEDS_ATTENTION
        house.serves_only(TWO)

    virtually(story)


# Every boundary.


@dataclass(frozen=True)
class Story:
    """What a program was doing when it died."""

    strategy: Strategy
    migrations: tuple[SimulatedMigration, ...] = (NEXT,)
    bad: bool = False
    writes: bool = False
    downtime: bool = False
    contract: bool = False
    ends: tuple[tuple[str, bool], ...] = (("1", False),)
    """Version and frozen, as they may be where nothing was promoted."""


REVERSIBLE = (replace(NEXT, change="reversible"),)
DESTRUCTIVE = (replace(NEXT, change="destructive"),)
CANARY = Canary(steps=(50, 100), bake=1, keep_warm=0)
STORIES = {
    "additive": Story(migrated(inner=CANARY), ends=(("1", False), ("2", False))),
    "additive, bad": Story(migrated(), bad=True, ends=(("1", False), ("2", False))),
    "additive with a backup": Story(migrated(backup=True), ends=(("1", False), ("2", False))),
    "reversible": Story(migrated("reversible"), REVERSIBLE),
    "reversible, bad": Story(migrated("reversible"), REVERSIBLE, bad=True),
    "reversible, loses": Story(
        migrated("reversible"),
        (replace(REVERSIBLE[0], loses=True),),
        bad=True,
        writes=True,
        ends=(("1", False), ("2", True)),
    ),
    "destructive, bad, agreed": Story(
        migrated("destructive", on_loss="restore"), DESTRUCTIVE, bad=True, writes=True
    ),
    "destructive, bad, not agreed": Story(
        migrated("destructive"), DESTRUCTIVE, bad=True, writes=True, ends=(("1", False), ("2", True))
    ),
    "destructive, read only": Story(
        migrated(
            "destructive",
            inner=Recreate(watch=2, analysis=[ErrorRate(max_percent=5, min_requests=10)]),
            read_only=True,
        ),
        DESTRUCTIVE,
        bad=True,
        writes=True,
        downtime=True,
    ),
    "half": Story(
        migrated("destructive"),
        (replace(DESTRUCTIVE[0], fails="half"),),
        writes=True,
        ends=(("1", False), ("1", True)),
    ),
    "contract": Story(
        migrated(inner=replace(QUICK, keep_warm=3_600)),
        (NEXT, SimulatedMigration("3", change="destructive")),
        contract=True,
    ),
}


def _deed(story: Story) -> Callable[[Deployer], Awaitable[object]]:
    async def deed(deployer: Deployer) -> None:
        with suppress(DeploymentError):
            if story.contract:
                await deployer.contract(SHOP, "shop", "3")
            else:
                await deployer.deploy(SHOP, TWO, story.strategy)

    return deed


async def complaint(story: Story, *deaths: int) -> tuple[str, bool]:
    """Let a program die, its successors too; return what is wrong in the end, and whether all died."""
    house = house_of(*story.migrations, bad=story.bad, writes=story.writes)
    await house.standing(ONE)
    if story.contract:
        await house.deployer.deploy(SHOP, TWO, story.strategy)
    house.world.violations.clear()
    life = Life(deaths[0])
    if not await live(house, life, _deed(story)):
        return "", False
    where = [life.where]
    for death in deaths[1:]:
        life = Life(death)
        house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
        if not await live(house, life, lambda deployer: deployer.recover()):
            return "", False
        where.append(life.where)
    before = 2 if story.contract else 1
    await recovered(house)
    infos = await house.backend.journal.rollouts()
    try:
        assert all(info.result is not None for info in infos)
        await _looks_right(house, story, begun=len(infos) > before)
    except AssertionError as error:
        return f"died at {where}: {error}", True
    return "", True


async def _looks_right(house: House, story: Story, *, begun: bool) -> None:
    store = house.stores["shop"]
    promoted = begun and await promotion_was_intended(house)
    stable = TWO if promoted or story.contract else ONE
    assert house.stable() == stable.revision
    assert house.split() == Split.all_to(stable.revision)
    warm = {ONE.revision} if story.contract and not promoted else set()
    assert set(house.counts()) == {stable.revision} | warm
    lost = [loss for loss in house.world.losses if not (story.downtime and loss.cause == "no_member")]
    assert lost == []
    assert house.world.violations == []
    if story.contract:
        assert (store.version, store.frozen) == ("3" if promoted else "2", False)
        return
    end = (store.version, store.frozen)
    assert end in ((("2", False),) if promoted else story.ends)
    result = (await house.backend.journal.rollouts())[-1].result
    assert result is not None
    if begun and (store.frozen or store.half):
        assert result.outcome is Outcome.NEEDS_ATTENTION
        assert "database 'shop'" in result.reason
    elif begun:
        assert result.outcome in {Outcome.PROMOTED, Outcome.ROLLED_BACK, Outcome.ABORTED}, result.reason
    if getattr(story.strategy, "on_loss", "") != "restore":
        assert store.lost == 0


@pytest.mark.parametrize("name", STORIES)
def test_a_death_ends_in_one_of_two_states(name: str) -> None:
    """A program dies at a boundary of a journal or effect, the database's among them; what it left is recovered."""
    chance = random.Random(os.environ.get("FAIRDEPLOY_CRASH_SEED", "1"))  # told by the environment
    place, wrong = complaints(partial(complaint, STORIES[name]), chance.randint(1, 4), 4)

    assert place > 20
    assert wrong == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", STORIES)
def test_every_death_ends_in_one_of_two_states(name: str) -> None:
    """The same at every boundary there is."""
    place, wrong = complaints(partial(complaint, STORIES[name]), 1, 1)

    assert place > 20
    assert wrong == []


# Bad input.


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"database": "no name!"}, "database"),
        ({"to": ""}, "version to migrate to"),
        ({"change": "big"}, "change must be one of"),
        ({"on_loss": "shrug", "backup": True}, "on_loss must be"),
        ({"on_loss": "restore"}, "needs a backup"),
        ({"deadline": 0}, "deadline"),
        ({"read_only": 1}, "read_only"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    """The message names the argument."""
    with pytest.raises(InvalidInput, match=said):
        Migrated(QUICK, **{"database": "shop", "to": "2", **given})  # type: ignore[arg-type]  # wrong on purpose


def test_a_step_that_relies_on_no_backup_is_refused() -> None:
    """A plan hangs together."""

    async def story() -> None:
        house = house_of(NEXT)
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, migrated("reversible"))
        with pytest.raises(InvalidInput, match="relies on backup"):
            replace(plan, steps=tuple(step for step in plan.steps if step.kind != "backup"))
        again = sequence(plan, await house.deployer.plan(WORKER, TWO, QUICK))
        (step,) = [step for step in again.steps if isinstance(step, Migrate)]
        assert step.backup == "shop/production:backup"
        assert "prove it by restoring it" in str(plan)

    virtually(story)


def test_a_release_that_is_stable_already_touches_no_database() -> None:
    """The plan says so."""
    backend = SimulatedBackend()

    async def story() -> None:
        house = house_of(NEXT)
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, ONE, migrated())
        assert "not touched" in plan.notes[-1]
        assert backend.uri

    virtually(story)

"""A manager may die anywhere while it goes back: what it had begun is brought to the end that its journal says."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import FairdeployError
from fairdeploy.model import Outcome
from fairdeploy.rollback import RollbackManager
from fairdeploy.strategies import BlueGreen, Migrated
from fairdeploy.testing.simulation import Demand, SimulatedMigration, SimulatedStore, World
from tests.engine.simulated import ONE, SHOP, TWO, House, Life, complaints, live, recovered, virtually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.engine import Deployer
    from fairdeploy.model import MigrationClass, RolloutId

    Deed = Callable[[RollbackManager, RolloutId], Awaitable[object]]
    End = tuple[str, str, bool]

QUICK = BlueGreen(watch=0, keep_warm=0, preview_header=None)


@dataclass(frozen=True)
class Story:
    """What a manager was doing when it died."""

    deed: Deed
    ends: frozenset[End]
    """What may serve in the end, with the schema's version, and whether the database is frozen."""
    change: MigrationClass = "reversible"
    writes: bool = False
    loses: bool = False
    half: bool = False
    backup: bool = True


def going(database: str) -> Deed:
    """Return the deed of going back from the deployment."""
    return lambda manager, last: manager.automated_rollback(last, database=database)  # type: ignore[arg-type]  # one of four


def alone(manager: RollbackManager, _last: RolloutId) -> Awaitable[object]:
    """Take the database back, and the application not."""
    return manager.database_rollback("1")


def restoring(manager: RollbackManager, last: RolloutId) -> Awaitable[object]:
    """Put the deployment's backup back, whatever is lost."""
    return manager.restore_backup(last, accept="any")


HOLDLESS = (alone, restoring)
"""What acts on the database only."""
BEGUN, LATER, DONE = ("2", "2", False), ("1", "2", False), ("1", "1", False)
SAFE = ("1", "2", True)
STORIES = {
    "keep": Story(going("keep"), frozenset({BEGUN, LATER})),
    "freeze": Story(going("freeze"), frozenset({BEGUN, SAFE}), writes=True),
    "back by migrations": Story(going("back"), frozenset({BEGUN, DONE})),
    "back by migrations, loses": Story(going("back"), frozenset({BEGUN, SAFE}), writes=True, loses=True),
    "back by migrations, half": Story(going("back"), frozenset({BEGUN, SAFE}), half=True),
    "back by the backup": Story(going("back"), frozenset({BEGUN, DONE}), "destructive"),
    "back by the backup, loses": Story(going("back"), frozenset({BEGUN, SAFE}), "destructive", writes=True),
    "back by a snapshot": Story(going("back"), frozenset({BEGUN, DONE}), "destructive", backup=False),
    "back by a snapshot, loses": Story(
        going("back"), frozenset({BEGUN, SAFE}), "destructive", writes=True, backup=False
    ),
    "the database alone": Story(alone, frozenset({BEGUN, ("2", "1", False)})),
    "the database alone, half": Story(alone, frozenset({BEGUN}), half=True),
    "restoring": Story(restoring, frozenset({BEGUN, ("2", "1", False)}), "destructive", writes=True),
}


async def complaint(story: Story, *deaths: int, bound: bool = True) -> tuple[str, bool]:
    """Let a manager die, and whoever recovers too; return what is wrong in the end, and whether all died.

    Args:
        story: What it was doing.
        deaths: At which boundary each program dies.
        bound: Whether the last program has been given the database.
    """
    second = SimulatedMigration("2", change=story.change, loses=story.loses, breaks_back=story.half)
    store = SimulatedStore((SimulatedMigration("1"), second), writes=story.writes)
    house = House(World(demand=Demand(rate=20), check_seconds=0.01), stores={"shop": store})
    await house.standing(ONE)
    store.keep("nightly", round(house.world.clock.wall() * 1000))
    house.world.clock.jump(1)  # type: ignore[attr-defined]  # a `VirtualClock`
    how = Migrated(QUICK, database="shop", to="2", change=story.change, backup=story.backup)
    last = (await house.deployer.deploy(SHOP, TWO, how)).rollout
    before = len(await house.deployer.history(SHOP))

    async def deed(deployer: Deployer) -> None:
        try:
            await story.deed(RollbackManager(deployer), last)
        except FairdeployError as error:
            assert story.half, error  # noqa: PT017 -- a dead program's story, judged below

    life = Life(deaths[0])
    if not await live(house, life, deed):
        return "", False
    where = [life.where]
    for death in deaths[1:]:
        life = Life(death)
        house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
        if not await live(house, life, lambda deployer: deployer.recover()):
            return "", False
        where.append(life.where)
    if not bound:
        house.stores = {}
    await recovered(house)
    infos = (await house.deployer.history(SHOP))[before:]
    serving = {ONE.revision: "1", TWO.revision: "2"}[house.stable() or ""]
    end = (serving, store.version, store.frozen)
    try:
        assert all(info.result is not None for info in infos)
        assert end in (story.ends if bound else {BEGUN, LATER, *story.ends})
        assert not store.half
        # The hold is there as soon as anything has begun: they are one record.
        held = await RollbackManager(house.deployer).holds(SHOP)
        assert story.deed in HOLDLESS or [each.rollout for each in held] == [info.id for info in infos[:1]]
        if infos and end != BEGUN:
            # What was begun goes on, and says so where a person has to look.
            wanted = {Outcome.NEEDS_ATTENTION if store.frozen else Outcome.PROMOTED}
            if not bound and end in {LATER, DONE}:
                # Who was not given the database can tell neither, unless its last step's end is recorded.
                wanted = {Outcome.NEEDS_ATTENTION} | ({Outcome.PROMOTED} if end == DONE else set())
            assert infos[0].result is not None
            assert infos[0].result.outcome in wanted, infos[0].result
        assert not infos or end != BEGUN or story.half, "what was begun was not gone on with"
        house.serves_only(ONE if serving == "1" else TWO)
        house.unharmed()
    except AssertionError as error:
        return f"died {' then '.join(where)} {deaths}: {end} {error}", True
    return "", True


@pytest.mark.parametrize("name", STORIES)
def test_what_a_dead_manager_had_begun_is_brought_to_its_end(name: str) -> None:
    """At boundaries of journal, effects and databases; whoever recovers goes on with what was begun."""
    chance = random.Random(os.environ.get("FAIRDEPLOY_CRASH_SEED", "1"))  # told by the environment
    place, wrong = complaints(partial(complaint, STORIES[name]), chance.randint(1, 3), 3)

    assert place > 5
    assert wrong == []


@pytest.mark.parametrize("name", ["freeze", "back by migrations"])
def test_a_guard_without_the_database_takes_the_application_back(name: str) -> None:
    """It goes on with what was begun as far as it can, and a person is told of the database that it was not given."""
    place, wrong = complaints(partial(complaint, STORIES[name], bound=False), 1, 2)

    assert place > 5
    assert wrong == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", STORIES)
def test_wherever_it_died(name: str) -> None:
    """The same at every boundary there is."""
    place, wrong = complaints(partial(complaint, STORIES[name]), 1, 1)

    assert place > 5
    assert wrong == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", STORIES)
def test_a_second_death_during_recovery_changes_no_end(name: str) -> None:
    """Whoever goes on may die too, anywhere."""
    wrong = []
    for first in range(2, 200, 5):
        for second in range(1, 200, 3):
            said, died = virtually(partial(complaint, STORIES[name], first, second))
            if not died:
                break
            wrong += [said] if said else []
        else:
            continue
        if second == 1 and not virtually(partial(complaint, STORIES[name], first))[1]:
            break

    assert wrong == []

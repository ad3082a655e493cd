"""A program may die anywhere: what it left is brought to one of two ends, and its journal says which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import anyio
import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import DeploymentError, FairdeployError
from fairdeploy.model import Release, Split, Target
from fairdeploy.protocols import Strategy
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling, sequence
from fairdeploy.testing.crash import gated
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World
from tests.engine.simulated import (
    BUSY,
    ONE,
    SHOP,
    TWO,
    House,
    Life,
    live,
    promotion_was_intended,
    recovered,
    release,
    virtually,
)

BAD = Behaviour(error_share=0.05)
OTHER = Target("other", replicas=2, endpoint="127.0.0.1:8081")


@dataclass(frozen=True)
class Story:
    """What a program was doing when it died."""

    before: tuple[Release, ...]
    deed: Callable[[Deployer], Awaitable[object]]
    new: Release | None = None
    downtime: bool = False
    bad: bool = False
    short: bool = False
    sizes: tuple[int, ...] = (3,)

    @property
    def base(self) -> Release | None:
        """What was stable when it began."""
        return self.before[-1] if self.before else None


def deploying(strategy: Strategy, new: Release = TWO) -> Callable[[Deployer], Awaitable[object]]:
    """Return the deed of deploying a release."""

    async def deed(deployer: Deployer) -> None:
        with suppress(DeploymentError):
            await deployer.deploy(SHOP, new, strategy)

    return deed


CANARY = Canary(steps=(25, 100), bake=3, keep_warm=0)
STORIES = {
    "canary": Story((ONE,), deploying(CANARY), TWO),
    "canary with a smoke header": Story(
        (ONE,), deploying(Canary(steps=(50, 100), bake=1, keep_warm=0, smoke_header=("x-smoke", "1"))), TWO
    ),
    "bad canary": Story((ONE,), deploying(Canary(steps=(25, 100), bake=30, keep_warm=0)), TWO, bad=True),
    "blue-green": Story((ONE,), deploying(BlueGreen(watch=2, keep_warm=0)), TWO),
    "rolling": Story((ONE,), deploying(Rolling(max_surge=1)), TWO),
    "rolling without surge": Story(
        (ONE,), deploying(Rolling(max_surge=0, max_unavailable=1)), TWO, short=True
    ),
    "recreate": Story((ONE,), deploying(Recreate(watch=1)), TWO, downtime=True),
    "first deploy": Story((), deploying(CANARY), TWO, downtime=True),
    "rollback": Story((ONE, TWO), lambda deployer: deployer.rollback(SHOP), ONE),
    "scale up": Story((ONE,), lambda deployer: deployer.scale(SHOP, 5), sizes=(3, 5)),
    "scale down": Story((ONE,), lambda deployer: deployer.scale(SHOP, 1), sizes=(3, 1)),
    "restart": Story((ONE,), lambda deployer: deployer.restart(SHOP)),
}


def house_of(story: Story) -> House:
    """Return the world that a story begins in."""
    bad = {TWO.revision: BAD} if story.bad else {}
    return House(World(bad, demand=BUSY, check_seconds=0.01))


async def looks_right(house: House, story: Story) -> None:
    """The world is at the end that the journal demands, and was never in harm's way."""
    promoted = story.new is not None and await promotion_was_intended(house)
    wanted = story.new if promoted else story.base
    assert house.stable() == (wanted.revision if wanted else None)
    assert house.split() == (Split.all_to(wanted.revision) if wanted else None)
    counts = house.counts()
    assert set(counts) == ({wanted.revision} if wanted else set())
    assert all(count in story.sizes for count in counts.values())
    assert not any(machine.quiescing for machine in house.world.place(SHOP.id).running())
    if wanted is None:
        assert house.world.place(SHOP.id).documents == []
    lost = [loss for loss in house.world.losses if not (story.downtime and loss.cause == "no_member")]
    assert lost == []


async def complaint(story: Story, *deaths: int) -> tuple[str, bool]:
    """Let a program die, its successors too; return what is wrong in the end, and whether all died."""
    house = house_of(story)
    await house.standing(*story.before)
    house.world.violations.clear()
    life = Life(deaths[0])
    if not await live(house, life, story.deed):
        return "", False
    where = [life.where]
    for death in deaths[1:]:
        life = Life(death)
        house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
        if not await live(house, life, lambda deployer: deployer.recover()):
            return "", False
        where.append(life.where)
    begun = len(await house.backend.journal.rollouts()) > len(story.before)
    await recovered(house)
    infos = await house.backend.journal.rollouts()
    try:
        assert all(info.result is not None for info in infos)
        if begun:
            await looks_right(house, story)
        else:
            assert house.stable() == (story.base.revision if story.base else None)
        # Where an instance may be missing, a share may be one instance short.
        assert [said for said in house.world.violations if not (story.short and said[:2] == "I1")] == []
    except AssertionError as error:
        return f"died {' and then '.join(where)} ({deaths}): {error}\n{house.world.violations}", True
    return "", True


@pytest.mark.parametrize("name", STORIES)
def test_after_a_death_anywhere_recovery_reaches_the_end_that_the_journal_demands(name: str) -> None:
    """Base where no promotion was intended, promoted where one was; nothing left over, nothing lost."""
    wrong = []
    death, died = 0, True
    while died:
        death += 1
        said, died = virtually(partial(complaint, STORIES[name], death))
        if said:
            wrong.append(said)
    assert death > 5, "the story has hardly any boundaries"
    assert not wrong, f"{len(wrong)} of {death}: " + "\n\n".join(wrong[:3])


@pytest.mark.parametrize("name", ["canary", "rolling", "recreate", "first deploy", "rollback", "restart"])
def test_a_second_death_during_recovery_changes_no_end(name: str) -> None:
    """The way back is itself recovered, and reaches the end that the journal demands."""
    wrong = []
    for first in range(4, 120, 11):
        for second in range(1, 40, 5):
            said, died = virtually(partial(complaint, STORIES[name], first, second))
            if not died:
                break
            if said:
                wrong.append(said)
    assert not wrong, f"{len(wrong)}: " + "\n\n".join(wrong[:3])


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", STORIES)
def test_two_deaths_anywhere_change_no_end(name: str) -> None:
    """Every pair of boundaries."""
    wrong = []
    first, tried, died = 0, 0, True
    while died:
        first, second = first + 1, 0
        said, died = virtually(partial(complaint, STORIES[name], first))
        again = died
        while again:
            second += 1
            said, again = virtually(partial(complaint, STORIES[name], first, second))
            tried += again
            if said:
                wrong.append(said)
    assert tried > 50, "the story has hardly any pairs"
    assert not wrong, f"{len(wrong)} of {tried}: " + "\n\n".join(wrong[:3])


class Sleeper:
    """A gate at which a program stands still, all of it, until it is woken."""

    def __init__(self, stops_at: int) -> None:
        """Choose the boundary."""
        self.passed = 0
        self.where = ""
        self.asleep, self.woken = anyio.Event(), anyio.Event()
        self._stops_at = stops_at

    async def at(self, boundary: str) -> None:
        """Pass a boundary, or stand still there."""
        self.passed += 1
        if self.passed == self._stops_at:
            self.where = boundary
            self.asleep.set()
        await self._asleep()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Make no call while it stands still, and hear of no answer."""
        await self._asleep()
        yield
        await self._asleep()

    async def _asleep(self) -> None:
        if self.asleep.is_set():
            await self.woken.wait()


async def complaint_of_a_sleeper(story: Story, place: int) -> tuple[str, bool]:
    """Stop a program, let another one recover, wake the first; return what is wrong in the end, and whether it stopped."""
    house = house_of(story)
    await house.standing(*story.before)
    house.world.violations.clear()
    gate, ended = Sleeper(place), anyio.Event()

    async def program() -> None:
        backend = gated(SimulatedBackend(house.world, journal=house.journal), gate)
        with suppress(FairdeployError):
            await story.deed(Deployer(backend, checks=house.checks, clock=house.world.clock))
        ended.set()
        gate.asleep.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(program)
        await gate.asleep.wait()
        if ended.is_set():
            return "", False
        await anyio.sleep(20)
        await house.another().recover()
        gate.woken.set()
        with anyio.fail_after(600):
            await ended.wait()
    begun = len(await house.backend.journal.rollouts()) > len(story.before)
    try:
        assert all(info.result is not None for info in await house.backend.journal.rollouts())
        if begun:
            await looks_right(house, story)
        assert [said for said in house.world.violations if not (story.short and said[:2] == "I1")] == []
        for info in await house.backend.journal.rollouts():
            epochs = [event.epoch for event in await house.events(info.id) if event.epoch]
            assert epochs == sorted(epochs), "I4"
    except AssertionError as error:
        return f"stopped {gate.where!r} ({place}): {error}\n{house.world.violations}", True
    return "", True


@pytest.mark.parametrize("name", STORIES)
def test_who_stands_still_anywhere_is_taken_over_and_wakes_without_harm(name: str) -> None:
    """Its lease expires, another program recovers, and then it goes on: the end is the one that the journal demands."""
    wrong = []
    place, stopped = 0, True
    while stopped:
        place += 1
        said, stopped = virtually(partial(complaint_of_a_sleeper, STORIES[name], place))
        if said:
            wrong.append(said)
    assert place > 5, "the story has hardly any boundaries"
    assert not wrong, f"{len(wrong)} of {place}: " + "\n\n".join(wrong[:3])


def test_a_plan_that_resumes_after_a_crash_is_promoted_wherever_its_program_died() -> None:
    """``on_crash="resume"``: the next program goes on where the dead one was."""

    async def end(death: int) -> tuple[str, bool]:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        strategy = Canary(steps=(50, 100), bake=2, keep_warm=0, on_crash="resume")
        life = Life(death)
        if not await live(house, life, deploying(strategy)):
            return "", False
        begun = len(await house.backend.journal.rollouts()) > 1
        await recovered(house)
        try:
            house.serves_only(TWO if begun else ONE)
            house.unharmed()
        except AssertionError as error:
            return f"died {life.where}: {error}", True
        return "", True

    wrong = []
    death, died = 0, True
    while died:
        death += 1
        said, died = virtually(partial(end, death))
        if said:
            wrong.append(said)
    assert death > 30
    assert not wrong, "\n".join(wrong[:5])


def test_two_targets_end_together_wherever_the_program_died() -> None:
    """Both at their base, or both promoted."""

    async def end(death: int) -> tuple[str, bool]:
        house = House(World(demand=BUSY))
        jobs = release("7"), release("8")
        await house.standing(ONE)
        await house.standing(jobs[0], target=OTHER)

        async def both(deployer: Deployer) -> None:
            quick = BlueGreen(watch=1, keep_warm=0)
            plan = sequence(await deployer.plan(SHOP, TWO, quick), await deployer.plan(OTHER, jobs[1], quick))
            async with deployer.run(plan) as rollout:
                await rollout.result()

        life = Life(death)
        if not await live(house, life, both):
            return "", False
        await recovered(house)
        try:
            promoted = house.stable() == TWO.revision
            house.serves_only(TWO if promoted else ONE)
            house.serves_only(jobs[1] if promoted else jobs[0], OTHER)
            house.unharmed()
        except AssertionError as error:
            return f"died {life.where}: {error}", True
        return "", True

    wrong = []
    death, died = 0, True
    while died:
        death += 1
        said, died = virtually(partial(end, death))
        if said:
            wrong.append(said)
    assert death > 60
    assert not wrong, "\n".join(wrong[:5])

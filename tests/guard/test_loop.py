"""The guard's rounds, in virtual time: what is left is recovered, what is over is ended, and then it leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import JournalError
from fairdeploy.guard import recover_until_idle
from fairdeploy.model import (
    BoundCheck,
    CheckResult,
    Ended,
    Outcome,
    Parked,
    Split,
    Target,
    TookOver,
    Verdict,
    Window,
)
from fairdeploy.protocols import HealthCheck, RolloutInfo, Subject
from fairdeploy.strategies import Approved, BlueGreen, Canary, Windowed, sequence
from fairdeploy.testing.simulation import SimulatedBackend, World
from tests.engine.simulated import (
    BUSY,
    ONE,
    SHOP,
    THREE,
    TWO,
    House,
    Life,
    due_of,
    live,
    virtually,
)

CANARY = Canary(steps=(25, 100), bake=60, keep_warm=0)
WARM = BlueGreen(watch=1, keep_warm=100, preview_header=None)
LEASE = 15.0


async def house_with(*, checks: dict[str, HealthCheck] | None = None) -> House:
    """Return a house in which the first release stands."""
    house = House(World(demand=BUSY), checks=checks or {})
    await house.standing(ONE)
    return house


def guard(
    house: House, checks: Mapping[str, HealthCheck] | None = None, *, linger: float = 30.0
) -> Callable[[], Coroutine[None, None, None]]:
    """Return what a guard process does, with a backend of its own."""
    backend = SimulatedBackend(house.world, journal=house.journal)

    async def run() -> None:
        await recover_until_idle([backend], checks=checks, linger=linger, clock=house.world.clock)

    return run


@asynccontextmanager
async def guarded(house: House, checks: Mapping[str, HealthCheck] | None = None) -> AsyncIterator[None]:
    """Have a guard until the block ends."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(guard(house, checks))
        yield
        tasks.cancel_scope.cancel()


async def dies_while(house: House, place: str, strategy: object = CANARY) -> None:
    """Let a deployer of the second release die right after a record."""

    class At(Life):
        def boundary(self, where: str) -> None:
            self.dead = self.dead or (where.startswith("after") and place in where)
            super().boundary(where)

    async def deed(deployer: Deployer) -> None:
        await deployer.deploy(SHOP, TWO, strategy)  # type: ignore[arg-type]  # a strategy

    assert await live(house, At(), deed), f"{place!r} never came"


async def ends(house: House) -> list[Ended]:
    """Return the ends of all rollouts but the first."""
    return [r for r in await house.records(Ended) if isinstance(r, Ended)][1:]


async def finding(subject: Subject) -> CheckResult:
    """Pass."""
    return CheckResult(Verdict.PASS)


def test_a_rollout_whose_lease_has_expired_is_brought_back_within_two_seconds_more() -> None:
    """Killed at 25 %: traffic is on stable within the lease time and two seconds; then the guard leaves."""

    async def story() -> None:
        house = await house_with()
        await dies_while(house, "Intended(step='bake-25'")
        assert house.split() != Split.all_to(ONE.revision)
        died = anyio.current_time()
        async with guarded(house):
            while house.split() != Split.all_to(ONE.revision):  # noqa: ASYNC110 - the simulation tells nobody
                await anyio.sleep(0.05)
            assert anyio.current_time() - died <= LEASE + 2
        await guard(house)()
        house.serves_only(ONE)
        house.unharmed()
        (end,) = await ends(house)
        assert end.result.outcome is Outcome.ROLLED_BACK

    virtually(story)


@pytest.mark.parametrize("guards", [2, 5])
def test_several_guards_are_safe(guards: int) -> None:
    """All of them see the same dead deployer at once: one end, epochs that only grow, no harm."""

    async def story() -> None:
        house = await house_with()
        await dies_while(house, "Intended(step='bake-25'")
        async with anyio.create_task_group() as tasks:
            for _ in range(guards):
                tasks.start_soon(guard(house))
        house.serves_only(ONE)
        house.unharmed()
        assert len(await ends(house)) == 1
        assert len(await house.records(TookOver)) == 1
        epochs = [effect.epoch for effect in house.world.effects]
        assert epochs == sorted(epochs)

    virtually(story)


def test_a_promotion_that_was_intended_is_finished() -> None:
    """Past the point of no return a guard goes forward."""

    async def story() -> None:
        house = await house_with()
        await dies_while(house, "Intended(step='promote'", BlueGreen(watch=1, keep_warm=0))
        await guard(house)()
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


def test_a_warm_window_ends_at_its_time() -> None:
    """The old revision stays for a hundred seconds and goes then, also if its deployer has long left."""

    async def story() -> None:
        house = await house_with()
        await house.deployer.deploy(SHOP, TWO, WARM)
        promoted = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            await anyio.sleep(95)
            assert set(house.counts()) == {ONE.revision, TWO.revision}
        assert anyio.current_time() - promoted < 100 + 60
        house.serves_only(TWO)
        house.unharmed()
        assert due_of(await house.deployer.history(SHOP)) == []

    virtually(story)


def test_a_warm_window_waits_for_a_rollout_that_is_under_way() -> None:
    """What is busy is left for later; nothing is taken from the rollout."""

    async def story() -> None:
        house = await house_with()
        await house.deployer.deploy(SHOP, TWO, WARM)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            await house.deployer.deploy(SHOP, THREE, BlueGreen(watch=200, keep_warm=0))
        house.serves_only(THREE)
        house.unharmed()

    virtually(story)


def test_an_approval_that_nobody_waits_for_any_more_times_out() -> None:
    """Parked is left alone until its date; then it goes back."""

    async def story() -> None:
        house = await house_with()
        await dies_while(house, "Parked(", Approved(BlueGreen(watch=1, keep_warm=0), timeout=1_000))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            await anyio.sleep(900)
            assert await ends(house) == []
            assert len(await house.records(TookOver)) == 0
        (end,) = await ends(house)
        assert end.result.outcome is Outcome.ABORTED
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_a_window_that_opens_is_kept_by_the_guard() -> None:
    """Its deployer died while it waited: the rollout goes on when the window opens, not at its time limit."""

    async def story() -> None:
        house = await house_with()
        now = datetime.fromtimestamp(house.world.clock.wall(), UTC)
        opens = now.hour * 60 + now.minute + 30
        day, minute = (now + timedelta(days=opens // 1_440)).weekday(), opens % 1_440
        window = Window(days=(day,), opens=minute, closes=min(minute + 60, 1_440), zone="UTC")
        strategy = Windowed(BlueGreen(watch=1, keep_warm=0), window, timeout=timedelta(days=2))
        await dies_while(house, "Parked(", strategy)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            await anyio.sleep(25 * 60)
            assert await house.records(TookOver) == []
            await anyio.sleep(8 * 60)
            house.serves_only(TWO)
        house.unharmed()
        (end,) = await ends(house)
        assert end.result.promoted

    virtually(story)


def test_a_warm_window_of_one_target_is_not_ended_with_that_of_another() -> None:
    """A group runs the same release at two targets: what is busy at one keeps its own warm window."""

    async def story() -> None:
        other = Target("other", replicas=2, endpoint="127.0.0.1:8081")
        house = await house_with()
        await house.standing(ONE, target=other)
        plans = [await house.deployer.plan(each, TWO, WARM) for each in (SHOP, other)]
        async with house.deployer.run(sequence(*plans)) as rollout:
            await rollout.result()
        await anyio.sleep(200)
        busy = await house.deployer.plan(other, THREE, BlueGreen(watch=60, keep_warm=0))
        async with house.deployer.run(busy) as second:
            await house.another().recover()
            assert {due.target for due in due_of(await house.deployer.history(SHOP))} == {other.id}
            assert (await second.result()).promoted
        await house.another().recover()
        assert due_of(await house.deployer.history(SHOP)) == []
        house.serves_only(TWO)
        house.serves_only(THREE, other)
        house.unharmed()

    virtually(story)


def test_what_was_left_on_purpose_is_left_alone_until_somebody_says_a_word() -> None:
    """The guard stays for it, and goes on with it when told to."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, CANARY)
        async with house.deployer.run(plan, on_exit="detach") as rollout:
            while TWO.revision not in house.counts():  # noqa: ASYNC110 - the simulation tells nobody
                await anyio.sleep(0.1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            await anyio.sleep(1_000)
            assert isinstance((await house.events(rollout.id))[-1].record, Parked)
            await rollout.promote(full=True)
        assert (await rollout.result()).promoted
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


def test_a_living_deployer_is_left_alone() -> None:
    """A rollout that takes many leases' time is never taken over."""

    async def story() -> None:
        house = await house_with()
        async with guarded(house):
            result = await house.deployer.deploy(SHOP, TWO, Canary(steps=(25, 100), bake=100, keep_warm=0))
        assert result.promoted
        assert await house.records(TookOver) == []
        house.unharmed()

    virtually(story)


RESUMED = Canary(steps=(25, 100), bake=60, keep_warm=0, analysis=[BoundCheck("bound")], on_crash="resume")


def test_a_plan_with_callables_goes_forward_with_them_only(caplog: pytest.LogCaptureFixture) -> None:
    """Unbound, one line says what is missing and nothing changes; a guard that declares the callable goes on."""

    async def story() -> None:
        house = await house_with(checks={"bound": finding})
        await dies_while(house, "Intended(step='bake-25'", RESUMED)
        before = len(await house.events())
        async with guarded(house):
            await anyio.sleep(300)
        assert len(await house.events()) == before
        said = [each.getMessage() for each in caplog.records if "'bound'" in each.getMessage()]
        assert len(said) == 1
        assert "give Deployer(checks=" in said[0]
        await guard(house, {"bound": finding})()
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


def test_two_guards_with_different_bindings_do_together_what_both_can() -> None:
    """The unbound one refuses, and keeps nobody from it."""

    async def story() -> None:
        house = await house_with(checks={"bound": finding})
        await dies_while(house, "Intended(step='bake-25'", RESUMED)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            tasks.start_soon(guard(house, {"bound": finding}))
        house.serves_only(TWO)
        house.unharmed()
        assert len(await ends(house)) == 1

    virtually(story)


def test_going_back_needs_no_bindings() -> None:
    """The same plan, told to abort: an unbound guard sends it back."""

    async def story() -> None:
        house = await house_with(checks={"bound": finding})
        await dies_while(house, "Intended(step='bake-25'", RESUMED)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard(house))
            await anyio.sleep(100)
            (info,) = [each for each in await house.deployer.history(SHOP) if each.open]
            await (await house.another().attach(info.id)).abort("no")
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_a_guard_with_nothing_to_do_lingers_and_leaves() -> None:
    """Nothing open, nothing due, for as long as it was told."""

    async def story() -> None:
        house = await house_with()
        began = anyio.current_time()
        await guard(house, linger=20)()
        assert 20 <= anyio.current_time() - began <= 22

    virtually(story)


@pytest.mark.parametrize("seconds", [0.5, 16, 17, 18, 19, 20, 21])
def test_a_guard_that_is_told_to_leave_leaves_the_rest_to_the_next(seconds: float) -> None:
    """At whatever moment: it parks nothing, aborts nothing, and the next one reaches the same end."""

    async def story() -> None:
        house = await house_with(checks={"bound": finding})
        await dies_while(house, "Intended(step='bake-25'", RESUMED)
        checks = {"bound": finding}
        with anyio.move_on_after(seconds):
            await guard(house, checks)()
        left = anyio.current_time()
        assert await house.records(Parked) == []
        assert await ends(house) == []
        with anyio.move_on_after(LEASE + seconds):
            await guard(house, checks)()
        await guard(house, checks)()
        assert anyio.current_time() > left
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


@pytest.mark.parametrize("tenths", range(155, 200, 5))
def test_a_guard_that_leaves_on_the_way_back_hands_it_over(tenths: int) -> None:
    """The way back is gone by another, from wherever it was."""

    async def story() -> None:
        house = await house_with()
        await dies_while(house, "Intended(step='bake-25'")
        with anyio.move_on_after(tenths / 10):
            await guard(house)()
        assert await house.records(Parked) == []
        await guard(house)()
        house.serves_only(ONE)
        house.unharmed()
        (end,) = await ends(house)
        assert end.result.outcome is Outcome.ROLLED_BACK

    virtually(story)


def test_a_journal_that_cannot_be_read_for_a_while_is_looked_at_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told once, the guard stays, and what was left is recovered in the end."""

    async def story() -> None:
        house = await house_with()
        await dies_while(house, "Intended(step='bake-25'")

        class Weak:
            async def rollouts(self, *arguments: object, **named: object) -> tuple[RolloutInfo, ...]:
                if anyio.current_time() < until:
                    raise JournalError("disk gone")
                return await house.journal.rollouts(*arguments, **named)  # type: ignore[union-attr, arg-type]  # as they came

            def __getattr__(self, name: str) -> object:
                return getattr(house.journal, name)

        until = anyio.current_time() + 200
        backend = SimulatedBackend(house.world, journal=Weak())  # type: ignore[arg-type]  # by delegation
        await recover_until_idle([backend], clock=house.world.clock)
        assert anyio.current_time() >= until
        assert len([each for each in caplog.records if "disk gone" in each.getMessage()]) == 1
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_what_cannot_be_recovered_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    """A foreign error in one rollout is told with its traceback, once; the backend beside it is looked after."""

    async def story() -> None:
        sick, well = await house_with(), await house_with()
        for house in (sick, well):
            await dies_while(house, "Intended(step='bake-25'")

        class Sick:
            async def take(self, *arguments: object, **named: object) -> object:
                raise OSError("pipe")

            def __getattr__(self, name: str) -> object:
                return getattr(sick.journal, name)

        backends = [
            SimulatedBackend(sick.world, journal=Sick()),  # type: ignore[arg-type]  # by delegation
            SimulatedBackend(well.world, journal=well.journal),
        ]
        with anyio.move_on_after(300):
            await recover_until_idle(backends, clock=well.world.clock)
        well.serves_only(ONE)
        assert len([each for each in caplog.records if each.exc_info]) == 1
        await guard(sick)()
        sick.serves_only(ONE)

    virtually(story)

"""Leaving the body of a rollout: by its end, an exception, a cancellation; detached; or with a journal that fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.engine import Deployer
from fairdeploy.errors import JournalError, RecordError
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Ended, Intended, Outcome, Parked, Split
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World
from tests.engine.simulated import BUSY, ONE, SHOP, TWO, House, recovered, virtually

if TYPE_CHECKING:
    from fairdeploy.engine import Rollout
    from fairdeploy.model import Record
    from fairdeploy.protocols import Lease

SLOW = Canary(steps=(50, 100), bake=30, keep_warm=0)
QUICK = BlueGreen(watch=0.2, keep_warm=0, every=0.05)


async def house_with() -> House:
    """Return a house in which the first release stands, quick enough for real time."""
    house = House(World(demand=BUSY, default=Behaviour(start_seconds=0.05)))
    await house.standing(ONE, strategy=BlueGreen(watch=0, keep_warm=0))
    return house


async def until(rollout: Rollout, step: str) -> None:
    """Wait until a step begins."""
    async for event in rollout.events():
        if isinstance(event.record, Intended) and event.record.step == step:
            return


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops: leaving is where they differ."""
    return str(request.param)


@pytest.mark.anyio
async def test_a_body_that_ends_waits_for_the_rollout() -> None:
    """Leaving the block means that the rollout has ended."""
    house = await house_with()
    plan = await house.deployer.plan(SHOP, TWO, QUICK)
    async with house.deployer.run(plan):
        pass
    house.serves_only(TWO)
    house.unharmed()


@pytest.mark.anyio
async def test_an_exception_of_the_body_comes_out_bare_when_stable_serves_again() -> None:
    """No exception group, and the traffic is safe before anybody hears of it."""
    house = await house_with()
    plan = await house.deployer.plan(SHOP, TWO, SLOW)
    with pytest.raises(KeyError, match="mine"):  # noqa: PT012 - what is left by the error is the block
        async with house.deployer.run(plan) as rollout:
            await until(rollout, "bake-50")
            raise KeyError("mine")
    house.serves_only(ONE)
    house.unharmed()
    result = (await house.deployer.history(SHOP))[-1].result
    assert result is not None
    assert result.outcome is Outcome.ABORTED
    assert result.reason == "the deploying program left with KeyError"


@pytest.mark.anyio
async def test_a_deadline_around_the_body_goes_back_before_it_is_felt() -> None:
    """``fail_after`` raises its TimeoutError, and stable serves by then."""
    house = await house_with()
    plan = await house.deployer.plan(SHOP, TWO, SLOW)
    with pytest.raises(TimeoutError):  # noqa: PT012 - what is left by the error is the block
        with anyio.fail_after(1.5):
            async with house.deployer.run(plan) as rollout:
                await rollout.result()
    house.serves_only(ONE)
    house.unharmed()


@pytest.mark.anyio
async def test_a_cancelled_scope_goes_back_too() -> None:
    """Cancelling the group that a deploy runs in leaves nothing behind."""
    house = await house_with()
    async with anyio.create_task_group() as tasks:

        async def deploy() -> None:
            await house.deployer.deploy(SHOP, TWO, SLOW)

        tasks.start_soon(deploy)
        while TWO.revision not in house.counts():  # noqa: ASYNC110 - the simulation tells nobody
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    house.serves_only(ONE)
    house.unharmed()


def test_a_cancelled_asyncio_task_goes_back_too() -> None:
    """The task is cancelled by asyncio's own means, and ends as cancelled."""

    async def story() -> House:
        house = await house_with()
        task = asyncio.create_task(house.deployer.deploy(SHOP, TWO, SLOW))
        while TWO.revision not in house.counts():  # noqa: ASYNC110 - the simulation tells nobody
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return house

    house = asyncio.run(story())
    house.serves_only(ONE)
    house.unharmed()


@pytest.mark.anyio
async def test_bodies_that_are_cancelled_at_any_moment_leave_stable_or_the_new_release() -> None:
    """Whenever the cancellation comes, also before the first and after the last step, one of two ends is reached."""
    house = await house_with()
    for tick in range(16):
        stable = ONE if house.stable() == ONE.revision else TWO
        other = TWO if stable is ONE else ONE
        with anyio.move_on_after(tick * 0.06):
            await house.deployer.deploy(SHOP, other, BlueGreen(watch=0, keep_warm=0))
        assert [i for i in await house.deployer.history(SHOP) if i.open] == []
        house.serves_only(ONE if house.stable() == ONE.revision else TWO)
    house.unharmed()


@pytest.mark.anyio
async def test_a_detached_rollout_is_left_as_it_is_and_goes_on_when_told_to() -> None:
    """It is no crash: recovery leaves it alone until somebody has sent a command."""
    house = await house_with()
    # The watch lasts until it is ended below: the pause is to come before its end on a slow machine too.
    plan = await house.deployer.plan(SHOP, TWO, BlueGreen(watch=600, keep_warm=0, every=0.05))
    async with house.deployer.run(plan, on_exit="detach") as rollout:
        await until(rollout, "switch")
        await rollout.pause()
        await until_kind(rollout, "paused")
    assert house.stable() == ONE.revision
    assert await recovered(house) == ()
    again = await house.another().attach(rollout.id)
    await again.resume()
    await again.promote(full=True)
    (result,) = await recovered(house)
    assert result.promoted
    house.serves_only(TWO)
    house.unharmed()


async def until_kind(rollout: Rollout, kind: str) -> None:
    """Wait for a record of a kind."""
    async for event in rollout.events():
        if event.record.kind == kind:
            return


@pytest.mark.anyio
async def test_a_detached_rollout_can_be_aborted_and_superseded() -> None:
    """Whoever asks stands in for the program that left."""
    house = await house_with()
    for on in ("abort", "supersede"):
        plan = await house.deployer.plan(SHOP, TWO, SLOW)
        async with house.deployer.run(plan, on_exit="detach") as rollout:
            await until(rollout, "bake-50")
        assert isinstance((await house.events())[-1].record, Parked)
        if on == "abort":
            result = await house.another().abort(SHOP, reason="no")
            assert result is not None
            assert result.outcome is Outcome.ABORTED
            house.serves_only(ONE)
        else:
            again = await house.another().deploy(SHOP, TWO, QUICK, on_conflict="supersede")
            assert again.promoted
            assert (await rollout.result()).outcome is Outcome.SUPERSEDED
    house.serves_only(TWO)
    house.unharmed()


def test_an_approval_keeps_its_date_when_its_program_is_gone() -> None:
    """Detached in the middle of an approval: left alone before the date, aborted by recovery after it."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, Approved(QUICK, timeout=1_000))
        async with house.deployer.run(plan, on_exit="detach") as rollout:
            await until_kind(rollout, "parked")
        dates = {r.until_ms for r in await house.records(Parked) if isinstance(r, Parked)}
        assert len(dates) == 1
        house.world.clock.jump(900)  # type: ignore[attr-defined]  # a `VirtualClock`
        assert await house.another().recover() == ()
        house.world.clock.jump(100)  # type: ignore[attr-defined]  # a `VirtualClock`
        with anyio.fail_after(100):
            (result,) = await house.another().recover()
        assert result.outcome is Outcome.ABORTED
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_an_approval_is_obeyed_after_its_program_is_gone() -> None:
    """The command waits in the journal for whoever recovers."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, Approved(QUICK, timeout=1_000))
        async with house.deployer.run(plan, on_exit="detach") as rollout:
            await until_kind(rollout, "parked")
        await rollout.promote()
        (result,) = await house.another().recover()
        assert result.promoted
        house.serves_only(TWO)

    virtually(story)


class Weak:
    """A journal that cannot be written (or read) for a while."""

    def __init__(self, journal: MemoryJournal) -> None:
        """Begin well."""
        self.journal = journal
        self.broken: frozenset[str] = frozenset()
        self.error: JournalError = JournalError("disk full")

    def __getattr__(self, name: str) -> object:
        """Delegate what is not broken."""
        return getattr(self.journal, name)

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`."""
        if "append" in self.broken:
            raise self.error
        return await self.journal.append(lease, *records, end=end)

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`."""
        if "renew" in self.broken:
            raise self.error
        return await self.journal.renew(lease)

    async def read(self, rollout: str | None = None, *, since: int = 0) -> object:
        """See `Journal.read`."""
        if "read" in self.broken:
            raise self.error
        return await self.journal.read(rollout, since=since)


@pytest.mark.parametrize("what", ["append", "renew", "read"])
def test_a_journal_that_fails_for_a_moment_ends_nothing(what: str) -> None:
    """Five seconds without writing, renewing or reading are endured, and the rollout is promoted."""

    async def story() -> None:
        house = await house_with()
        weak = Weak(house.backend.journal)  # type: ignore[arg-type]  # a `MemoryJournal`
        deployer = Deployer(SimulatedBackend(house.world, journal=weak), clock=house.world.clock)  # type: ignore[arg-type]  # by delegation
        plan = await deployer.plan(SHOP, TWO, SLOW)
        async with deployer.run(plan) as rollout:
            for _ in range(3):
                await anyio.sleep(7)
                weak.broken = frozenset({what})
                await anyio.sleep(5)
                weak.broken = frozenset()
            assert (await rollout.result()).promoted
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


@pytest.mark.parametrize("error", [JournalError("disk full"), RecordError("from a newer version")])
def test_a_body_does_not_wait_for_ever_for_a_driver_that_had_to_give_up(error: JournalError) -> None:
    """The journal's error comes out bare; a later recovery goes back."""

    async def story() -> None:
        house = await house_with()
        weak = Weak(house.backend.journal)  # type: ignore[arg-type]  # a `MemoryJournal`
        deployer = Deployer(SimulatedBackend(house.world, journal=weak), clock=house.world.clock)  # type: ignore[arg-type]  # by delegation
        plan = await deployer.plan(SHOP, TWO, SLOW)
        with pytest.raises(JournalError, match=str(error)):  # noqa: PT012 - what is left is the block
            with anyio.fail_after(300):
                async with deployer.run(plan) as rollout:
                    await until(rollout, "bake-50")
                    weak.broken, weak.error = frozenset({"append"}), error
                    await rollout.result()
        (result,) = await recovered(house)
        assert result.outcome is Outcome.ROLLED_BACK
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_a_program_that_was_stopped_for_longer_than_its_lease_goes_on_if_nobody_took_over() -> None:
    """A laptop's lid, a SIGSTOP: the clock jumps, and the journal tells that the lease is still its own."""

    class Lid:
        """A clock whose monotonic side can jump: what a stopped process sees."""

        def __init__(self, world: World) -> None:
            self.world, self.slept = world, 0.0

        def wall(self) -> float:
            return self.world.clock.wall() + self.slept

        def monotonic(self) -> float:
            return self.world.clock.monotonic() + self.slept

    async def story() -> None:
        house = await house_with()
        lid = Lid(house.world)
        deployer = Deployer(house.backend, clock=lid)
        plan = await deployer.plan(SHOP, TWO, SLOW)
        async with deployer.run(plan) as rollout:
            await until(rollout, "scale-100")
            lid.slept = 14.0
            with anyio.fail_after(300):
                assert (await rollout.result()).promoted
        house.serves_only(TWO)
        house.unharmed()

    virtually(story)


def test_a_program_that_was_taken_over_stops_and_tells_its_successors_result() -> None:
    """It acts no more; what it returns is what the journal says."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, SLOW)
        async with house.deployer.run(plan) as rollout:
            await until(rollout, "bake-50")
            (result,) = await recovered(house)
            assert result.outcome is Outcome.ROLLED_BACK
            assert await rollout.result() == result
        assert len([r for r in await house.records(Ended) if r.result.rollout == rollout.id]) == 1  # type: ignore[union-attr]  # ends only
        house.serves_only(ONE)
        house.unharmed()
        epochs = [effect.epoch for effect in house.world.effects]
        assert epochs == sorted(epochs)

    virtually(story)


def test_a_foreign_exception_of_a_backend_goes_back_and_is_told() -> None:
    """Whatever a backend raises, the traffic goes back, and no exception group comes out."""

    async def story() -> None:
        house = await house_with()

        def hook(when: str, effect: object) -> None:
            if when == "before" and "50 %" in str(effect):
                raise OSError("pipe")

        house.world.hook = hook
        plan = await house.deployer.plan(SHOP, TWO, SLOW)
        async with house.deployer.run(plan) as rollout:
            result = await rollout.result()
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.reason == "unexpected OSError: pipe"
        house.serves_only(ONE)

    virtually(story)


def test_an_end_is_recorded_even_if_what_serves_cannot_be_seen() -> None:
    """The last look is for the report only."""

    async def story() -> None:
        house = await house_with()
        observe = house.backend.observe

        class Blind:
            """A backend whose observation breaks after the way back has begun to end."""

            def __init__(self) -> None:
                self.blind = False

            def __getattr__(self, name: str) -> object:
                return getattr(house.backend, name)

            async def observe(self, target: object) -> object:
                if self.blind:
                    raise OSError("gone")
                return await observe(target)  # type: ignore[arg-type]  # a target

            async def remove(self, *arguments: object) -> None:
                await house.backend.remove(*arguments)  # type: ignore[arg-type]  # as they came
                self.blind = True

        deployer = Deployer(Blind(), clock=house.world.clock)  # type: ignore[arg-type]  # by delegation
        plan = await deployer.plan(SHOP, TWO, QUICK)
        async with deployer.run(plan) as rollout:
            result = await rollout.result()
        assert result.promoted
        assert result.serving == ()
        assert "after the promotion: " in result.evidence[0]

    virtually(story)


def test_a_crash_in_a_rejected_recreate_leaves_the_traffic_alone() -> None:
    """An approval that its program did not survive: recovery has nothing to undo."""

    async def story() -> None:
        house = await house_with()
        plan = await house.deployer.plan(SHOP, TWO, Approved(Recreate(), timeout=60))
        async with house.deployer.run(plan, on_exit="detach") as rollout:
            await until_kind(rollout, "parked")
        (result,) = await recovered(house)
        assert result.outcome is Outcome.ABORTED
        assert house.split() == Split.all_to(ONE.revision)
        house.unharmed()

    virtually(story)

"""Going back with all that belongs to it, in a simulated world."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.errors import Refused, RollbackError, TargetOnHold, UnknownRollout
from fairdeploy.model import CheckResult, Intended, Noted, Outcome, Verdict
from fairdeploy.rollback import Emergency, RollbackManager
from fairdeploy.strategies import BlueGreen, sequence
from fairdeploy.testing.simulation import World
from tests.engine.simulated import BUSY, FOUR, ONE, SHOP, THREE, TWO, WORKER, House, virtually

if TYPE_CHECKING:
    from fairdeploy.model import RolloutId
    from fairdeploy.protocols import Subject

QUICK = BlueGreen(watch=1, keep_warm=0, preview_header=None)


class Health:
    """A check that fails for the revisions that a test names."""

    def __init__(self) -> None:
        self.bad: set[str] = set()

    async def __call__(self, subject: Subject, /) -> CheckResult:
        """Answer by the revision alone."""
        return CheckResult(Verdict.FAIL if subject.revision in self.bad else Verdict.PASS, subject.revision)


class Stage:
    """A house with a manager, and releases that stand one after the other."""

    def __init__(self, emergency: Emergency | None = None) -> None:
        self.health = Health()
        self.house = House(World(demand=BUSY), checks={"api": self.health})
        self.manager = RollbackManager(self.house.deployer, emergency=emergency)

    async def last(self) -> RolloutId:
        """Return the id of the newest rollout."""
        return (await self.house.deployer.history(SHOP))[-1].id


def test_it_goes_back_in_a_safe_order_and_holds_the_target() -> None:
    """Capacity, then the check, then traffic, then the promotion, and only then the bad version is stopped."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO)
        report = await on.manager.automated_rollback(await on.last(), reason="errors")
        assert report.outcome == "rolled_back", str(report)
        assert [deed.name for deed in report.deeds] == ["capture state", "hold", "go back", "verify health"]
        assert report.serving == {SHOP.id: ONE.revision}
        on.house.serves_only(ONE)
        on.house.unharmed()
        steps = [
            e.record.step for e in await on.house.events(await on.last()) if isinstance(e.record, Intended)
        ]
        wanted = ["start", "ready", "verify", "shift", "promote", "drain", "retire"]
        assert [next(s for s in steps if s.startswith(each)) for each in wanted] == steps

    virtually(story)


def test_on_hold_nothing_new_begins_in_any_program_until_it_is_released() -> None:
    """Neither refused, queued nor superseding; going back, scaling and restarting stay possible."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO, THREE)
        bad = await on.last()
        report = await on.manager.automated_rollback(bad, reason="errors at checkout")
        other = on.house.another()
        for conflict in ("refuse", "queue", "supersede"):
            with pytest.raises(TargetOnHold, match="errors at checkout"):
                await other.deploy(SHOP, FOUR, QUICK, on_conflict=conflict)
        plan = await other.plan(SHOP, FOUR, QUICK)
        with pytest.raises(TargetOnHold):
            async with other.run(plan):
                pass
        with pytest.raises(TargetOnHold):
            await on.manager.automated_rollback(bad)
        await other.scale(SHOP, 4)
        await other.scale(SHOP, 3)
        await other.rollback(SHOP)
        on.house.serves_only(ONE)
        (held,) = await RollbackManager(other).release_hold(SHOP, reason="mended")
        assert report.result is not None
        assert held.rollout == report.result.rollout
        assert await on.manager.holds(SHOP) == ()
        await other.deploy(SHOP, FOUR, QUICK)
        on.house.unharmed()

    virtually(story)


def test_who_waits_for_the_end_of_a_rollback_is_refused_after_it() -> None:
    """The hold is there before the rollback ends."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO)
        bad, refused = await on.last(), []

        async def wait() -> None:
            await anyio.sleep(0.5)
            try:
                await on.house.another().deploy(SHOP, THREE, QUICK, on_conflict="queue")
            except TargetOnHold as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await on.manager.automated_rollback(bad)
        assert len(refused) == 1
        on.house.serves_only(ONE)

    virtually(story)


def test_a_rollback_is_never_rolled_back_by_itself() -> None:
    """Nor is what went back already, what does not serve, or what nobody knows; nothing is changed."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO, THREE)
        _, second, third = [info.id for info in await on.house.deployer.history(SHOP)]
        with pytest.raises(UnknownRollout, match="'r-unknown'"):
            await on.manager.automated_rollback("r-unknown")
        with pytest.raises(Refused, match="is stable at"):
            await on.manager.automated_rollback(second)
        await on.manager.automated_rollback(third, hold=False)
        with pytest.raises(Refused, match="is a rollback itself"):
            await on.manager.automated_rollback(await on.last())
        on.house.serves_only(TWO)
        assert await on.manager.holds(SHOP) == ()

    virtually(story)


def test_with_nothing_verified_before_it_nothing_is_changed() -> None:
    """Not even a hold is left."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE)
        with pytest.raises(RollbackError, match="no verified revision"):
            await on.manager.automated_rollback(await on.last())
        assert await on.house.records(Noted) == []
        on.house.serves_only(ONE)

    virtually(story)


def test_it_goes_back_to_a_named_version() -> None:
    """Further than to the one before."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO, THREE)
        assert (await on.manager.get_previous_stable_version(await on.last())).version == "2"
        report = await on.manager.automated_rollback(await on.last(), to="1")
        assert report.serving == {SHOP.id: ONE.revision}
        on.house.serves_only(ONE)

    virtually(story)


def test_what_is_under_way_goes_back_to_its_base() -> None:
    """The rollout is aborted, and the target is on hold."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE)
        plan = await on.house.deployer.plan(SHOP, TWO, replace(QUICK, watch=600))
        async with on.house.deployer.run(plan) as rollout:
            await anyio.sleep(30)
            report = await on.manager.automated_rollback(rollout.id, reason="looks bad")
            assert (await rollout.result()).outcome is Outcome.ABORTED
        assert report.outcome == "rolled_back"
        assert [held.rollout for held in await on.manager.holds(SHOP)] == [rollout.id]
        on.house.serves_only(ONE)

    virtually(story)


def test_a_failed_step_runs_the_emergency_procedure_and_says_so() -> None:
    """The version before does not stand any more; the one before that does."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO, THREE)
        on.health.bad = {TWO.revision, THREE.revision}
        report = await on.manager.automated_rollback(await on.last())
        assert report.outcome == "needs_attention"
        assert [(deed.name, deed.ok) for deed in report.deeds][-1] == ("go back", False)
        assert [(deed.name, deed.ok) for deed in report.emergency] == [
            (f"best known good {ONE.revision}", True)
        ]
        assert "emergency procedure" in str(report)
        (page,) = [n for n in await on.house.records(Noted) if n.topic == "emergency"]  # type: ignore[union-attr]  # filtered
        assert "FAILED" in page.message  # type: ignore[union-attr]  # filtered
        on.house.serves_only(ONE)
        on.house.unharmed()

    virtually(story)


def test_an_emergency_without_a_known_good_leaves_what_serves_and_says_so() -> None:
    """Traffic stays where it was: there is no better place."""

    async def story() -> None:
        on = Stage(Emergency(best_known_good=False))
        await on.house.standing(ONE, TWO)
        on.health.bad = {ONE.revision, TWO.revision}
        report = await on.manager.automated_rollback(await on.last())
        assert report.outcome == "needs_attention"
        assert report.emergency == ()
        on.house.serves_only(TWO)

    virtually(story)


def test_states_are_kept_and_can_be_compared() -> None:
    """Another program reads what one wrote; the difference says what changed."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE)
        first = await on.manager.capture_state(SHOP, label="before")
        await on.house.standing(TWO)
        second = await RollbackManager(on.house.another()).capture_state(SHOP)
        assert await on.manager.states(SHOP) == (first, second)
        assert f"-target shop/production: stable {ONE.revision}" in first.diff(second)
        assert f"+target shop/production: stable {TWO.revision}" in first.diff(second)
        assert first.diff(replace(first, at_ms=1)) == ""

    virtually(story)


def test_what_fails_after_its_promotion_goes_back_by_itself() -> None:
    """Once: what was gone back to is left alone, even if it fails too."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO)
        async with on.manager.watching(SHOP, every=1, failures=3) as watch:
            await anyio.sleep(10)
            assert watch.reports == []
            on.health.bad = {TWO.revision}
            with anyio.fail_after(60):
                report = await watch.acted()
            assert report.outcome == "rolled_back", str(report)
            on.health.bad = {ONE.revision, TWO.revision}
            await anyio.sleep(60)
            await on.manager.release_hold(SHOP)
            await anyio.sleep(60)
            assert len(watch.reports) == 1
        on.house.serves_only(ONE)
        on.house.unharmed()

    virtually(story)


def test_what_a_verdict_sent_back_is_on_hold_while_somebody_watches() -> None:
    """The engine goes back by itself; the watch keeps the next attempt from beginning."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE)
        on.health.bad = {TWO.revision}
        async with on.manager.watching(SHOP, every=1):
            await anyio.sleep(2)
            plan = await on.house.deployer.plan(SHOP, TWO, QUICK)
            async with on.house.deployer.run(plan) as rollout:
                assert (await rollout.result()).outcome is Outcome.ROLLED_BACK
            await anyio.sleep(5)
        assert [held.rollout for held in await on.manager.holds(SHOP)] == [rollout.id]
        on.house.serves_only(ONE)

    virtually(story)


def test_an_error_of_a_check_is_no_failure() -> None:
    """Who cannot be asked is not convicted."""

    async def story() -> None:
        on = Stage()
        await on.house.standing(ONE, TWO)

        async def broken(subject: Subject, /) -> CheckResult:
            raise OSError(subject.revision)

        async with on.manager.watching(SHOP, {"api": broken}, every=1) as watch:
            await anyio.sleep(60)
        assert watch.reports == []
        on.house.serves_only(TWO)

    virtually(story)


def test_what_was_deployed_together_goes_back_together() -> None:
    """One plan, one promotion, both on hold; a member that is gone already keeps all from it."""

    async def story() -> None:
        on = Stage()
        deployer = on.house.deployer
        await on.house.standing(ONE)
        await on.house.standing(THREE, target=WORKER)
        plan = sequence(await deployer.plan(SHOP, TWO, QUICK), await deployer.plan(WORKER, FOUR, QUICK))
        async with deployer.run(plan) as rollout:
            assert (await rollout.result()).promoted
        report = await on.manager.automated_rollback(rollout.id, reason="both are bad")
        assert report.outcome == "rolled_back", str(report)
        assert report.serving == {SHOP.id: ONE.revision, WORKER.id: THREE.revision}
        assert [state.target for state in report.before] == [SHOP.id, WORKER.id]
        on.house.serves_only(ONE)
        on.house.serves_only(THREE, WORKER)
        on.house.unharmed()
        back = (await deployer.history(SHOP))[-1]
        for target in (SHOP, WORKER):
            assert [held.rollout for held in await on.manager.holds(target)] == [back.id]
        assert back.id == (await deployer.history(WORKER))[-1].id
        assert sum(step.kind == "promote" for step in back.plan.steps) == 1
        for target in (SHOP, WORKER):
            await on.manager.release_hold(target)
        with pytest.raises(Refused, match="is a rollback itself"):
            await on.manager.automated_rollback(back.id)

    virtually(story)


def test_of_what_was_deployed_together_nothing_goes_back_if_one_cannot() -> None:
    """It has nothing verified before it, or never had the version that is named: nothing is changed."""

    async def story() -> None:
        on = Stage()
        deployer = on.house.deployer
        await on.house.standing(ONE)
        plan = sequence(await deployer.plan(SHOP, TWO, QUICK), await deployer.plan(WORKER, FOUR, QUICK))
        async with deployer.run(plan) as rollout:
            await rollout.result()
        with pytest.raises(RollbackError, match="no verified revision"):
            await on.manager.automated_rollback(rollout.id)
        with pytest.raises(RollbackError, match="was never promoted to '1'"):
            await on.manager.automated_rollback(rollout.id, to="1")
        on.house.serves_only(TWO)
        on.house.serves_only(FOUR, WORKER)
        assert await on.house.records(Noted) == []

    virtually(story)

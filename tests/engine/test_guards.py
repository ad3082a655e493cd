"""Guards: what each verdict leads to, and what never convicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.model import (
    CONVICTING,
    Action,
    BoundCheck,
    CheckResult,
    Ended,
    ErrorRate,
    Held,
    Intended,
    Judged,
    Outcome,
    Paused,
    Released,
    Settled,
    Verdict,
)
from fairdeploy.strategies import BlueGreen, Canary
from fairdeploy.testing.simulation import Behaviour, Demand, World
from tests.engine.simulated import BUSY, ONE, SHOP, TWO, House, virtually

if TYPE_CHECKING:
    from fairdeploy.model import Guard, Plan, RolloutResult
    from fairdeploy.protocols import Subject


@dataclass
class Oracle:
    """A check that answers from a script: verdicts by virtual second since it was first asked."""

    script: dict[float, Verdict | Exception] = field(default_factory=lambda: {0: Verdict.PASS})
    began: float | None = None
    asked: int = 0

    async def __call__(self, subject: Subject, /) -> CheckResult:
        """Answer what the script says for now."""
        now = anyio.current_time()
        self.began = now if self.began is None else self.began
        self.asked += 1
        answer = next(v for at, v in sorted(self.script.items(), reverse=True) if now - self.began >= at)
        if isinstance(answer, Exception):
            raise answer
        return CheckResult(answer, f"{answer} of {subject.revision or 'all'}")


ON = {
    Verdict.PASS: Action.CONTINUE,
    Verdict.FAIL: Action.ROLLBACK,
    Verdict.INCONCLUSIVE: Action.CONTINUE,
    Verdict.NO_DATA: Action.CONTINUE,
    Verdict.ERROR: Action.HOLD,
}


async def watched(house: House, oracle: Oracle, *, scope: str = "revision", **guard: object) -> Plan:
    """Return a blue-green plan, watched for ten seconds by an oracle."""
    house.checks["oracle"] = oracle
    strategy = BlueGreen(
        watch=10,
        keep_warm=0,
        analysis=[BoundCheck("oracle", scope=scope)],  # type: ignore[arg-type]  # a Literal
    )
    plan = await house.deployer.plan(SHOP, TWO, strategy)
    guards = tuple(replace(each, **guard) for each in plan.guards)  # type: ignore[arg-type]  # by the test
    return replace(plan, guards=guards)


async def run(house: House, plan: Plan) -> RolloutResult:
    """Run a plan to its end, by a deployer that has the house's checks."""
    async with house.another().run(plan) as rollout:
        return await rollout.result()


async def house_with(world: World | None = None) -> House:
    """Return a house in which the first release stands."""
    house = House(world or World(demand=BUSY))
    await house.standing(ONE)
    return house


VERDICTS = [
    (Verdict.PASS, Action.CONTINUE, Outcome.PROMOTED),
    (Verdict.FAIL, Action.ROLLBACK, Outcome.ROLLED_BACK),
    (Verdict.FAIL, Action.CONTINUE, Outcome.PROMOTED),
    (Verdict.INCONCLUSIVE, Action.ROLLBACK, Outcome.ROLLED_BACK),
    (Verdict.NO_DATA, Action.CONTINUE, Outcome.PROMOTED),
    (Verdict.NO_DATA, Action.ROLLBACK, Outcome.ROLLED_BACK),
    (Verdict.ERROR, Action.CONTINUE, Outcome.PROMOTED),
    (Verdict.ERROR, Action.ROLLBACK, Outcome.ROLLED_BACK),
    (Verdict.ERROR, Action.HOLD, Outcome.ROLLED_BACK),
    (Verdict.NO_DATA, Action.HOLD, Outcome.ROLLED_BACK),
]


@pytest.mark.parametrize(("verdict", "action", "outcome"), VERDICTS)
def test_each_verdict_leads_to_the_action_that_the_plan_names(
    verdict: Verdict, action: Action, outcome: Outcome
) -> None:
    """A hold that no verdict ends leads to the guard's ``then``, here the way back."""

    async def story() -> None:
        house = await house_with()
        plan = await watched(house, Oracle({0: verdict}), on={**ON, verdict: action}, hold_limit_ms=5_000)
        result = await run(house, plan)
        assert result.outcome is outcome
        judged = [r for r in await house.records(Judged) if isinstance(r, Judged)]
        assert (judged[0].verdict, judged[0].action) == (verdict, action)
        house.serves_only(TWO if result.promoted else ONE)
        house.unharmed()

    virtually(story)


def test_a_hold_stops_the_bake_clock_and_ends_with_the_verdict() -> None:
    """Seven seconds of hold make the ten seconds of watching seventeen."""

    async def story() -> None:
        house = await house_with()
        oracle = Oracle({0: Verdict.PASS, 3: Verdict.ERROR, 10: Verdict.PASS})
        result = await run(house, await watched(house, oracle))
        assert result.promoted
        assert result.policy == "pass"
        times = {
            e.record.step: e.at_ms
            for e in await house.events(result.rollout)
            if isinstance(e.record, Settled)
        }
        assert times["watch"] - times["switch"] == pytest.approx(17_000, abs=1_100)
        assert len(await house.records(Held)) == len(await house.records(Released)) == 1

    virtually(story)


@pytest.mark.parametrize(
    ("then", "outcome"),
    [(Action.CONTINUE, Outcome.PROMOTED), (Action.ROLLBACK, Outcome.ROLLED_BACK)],
)
def test_a_hold_has_a_limit_and_a_consequence(then: Action, outcome: Outcome) -> None:
    """It is held once for the limit in all, and then what the guard says follows."""

    async def story() -> None:
        house = await house_with()
        plan = await watched(house, Oracle({0: Verdict.ERROR}), hold_limit_ms=20_000, then=then)
        result = await run(house, plan)
        assert result.outcome is outcome
        assert 20 <= result.seconds < 40
        if result.promoted:
            assert result.policy == "by plan: oracle was error: hold"

    virtually(story)


@pytest.mark.parametrize("from_hold", [False, True])
def test_a_pause_lasts_until_a_person_resumes_and_is_not_renewed_by_the_same_verdict(
    *, from_hold: bool
) -> None:
    """Whoever resumes knows better than the verdict that paused it."""

    async def story() -> None:
        house = await house_with()
        guard: dict[str, object] = {"on": {**ON, Verdict.FAIL: Action.PAUSE}}
        if from_hold:
            guard = {"on": {**ON, Verdict.FAIL: Action.HOLD}, "then": Action.PAUSE, "hold_limit_ms": 2_000}
        plan = await watched(house, Oracle({0: Verdict.PASS, 2: Verdict.FAIL}), **guard)  # type: ignore[arg-type]  # settings of a guard
        async with house.another().run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Paused):
                    await anyio.sleep(100)
                    await rollout.resume()
            result = await rollout.result()
        assert result.promoted
        assert result.seconds > 100
        assert len(await house.records(Paused)) == 1

    virtually(story)


def test_only_so_many_failures_in_a_row_convict() -> None:
    """One failing answer of three is inconclusive; three in a row are a fail."""

    async def story() -> None:
        house = await house_with()
        flicker = Oracle({0: Verdict.PASS, 1.5: Verdict.FAIL, 2.5: Verdict.PASS})
        assert (await run(house, await watched(house, flicker, failures=3))).promoted
        judged = [r.verdict for r in await house.records(Judged) if isinstance(r, Judged)]
        assert judged == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.PASS]

        other = await house_with()
        steady = Oracle({0: Verdict.PASS, 1.5: Verdict.FAIL})
        assert not (await run(other, await watched(other, steady, failures=3))).promoted
        assert steady.asked <= 6

    virtually(story)


def test_an_exception_in_a_check_is_an_error_and_never_convicts() -> None:
    """A broken check holds the rollout; when it is well again, the rollout goes on."""

    async def story() -> None:
        house = await house_with()
        oracle = Oracle({0: RuntimeError("check is broken"), 5: Verdict.PASS})
        result = await run(house, await watched(house, oracle, failures=1))
        assert result.promoted
        first = (await house.records(Judged))[0]
        assert isinstance(first, Judged)
        assert first.verdict is Verdict.ERROR
        assert first.message == "RuntimeError: check is broken"

    virtually(story)


def test_a_check_that_never_answers_is_an_error() -> None:
    """Its time is bounded; the rollout does not hang with it."""

    async def deaf(_subject: Subject, /) -> CheckResult:
        await anyio.sleep_forever()
        return CheckResult(Verdict.PASS)

    async def story() -> None:
        house = await house_with()
        plan = await watched(house, Oracle(), hold_limit_ms=1_000)
        house.checks["oracle"] = deaf
        result = await run(house, plan)
        assert result.outcome is Outcome.ROLLED_BACK
        assert "did not answer in time" in result.reason

    virtually(story)


def test_a_failing_check_on_something_shared_holds_and_does_not_send_back() -> None:
    """The database is down for both revisions: that is no fault of the candidate."""

    async def story() -> None:
        house = await house_with()
        oracle = Oracle({0: Verdict.PASS, 2: Verdict.FAIL, 60: Verdict.PASS})
        result = await run(house, await watched(house, oracle, scope="shared"))
        assert result.promoted
        assert result.seconds > 60
        assert len(await house.records(Held)) == 1

    virtually(story)


def test_guards_go_on_while_paused() -> None:
    """A release that turns bad during a pause is sent back without anybody resuming."""

    async def story() -> None:
        house = await house_with()
        plan = await watched(house, Oracle({0: Verdict.PASS, 50: Verdict.FAIL}))
        async with house.another().run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "watch":
                    await rollout.pause("lunch")
            result = await rollout.result()
        assert result.outcome is Outcome.ROLLED_BACK
        house.serves_only(ONE)

    virtually(story)


def test_counting_begins_anew_at_each_shift() -> None:
    """Errors from before a shift do not convict after it, nor do good requests thin out bad ones."""

    async def story() -> None:
        house = await house_with(World(demand=Demand(rate=200)))
        check = ErrorRate(max_percent=1, min_requests=50)
        plan = await house.deployer.plan(
            SHOP, TWO, Canary(steps=(50, 100), bake=(300, 10), keep_warm=0, analysis=[check])
        )

        async with house.deployer.run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Settled) and event.record.step == "bake-50":
                    house.world.behave(TWO.revision, Behaviour(error_share=0.03))
            result = await rollout.result()
        # 30,000 good requests before would have hidden 60 bad ones among 2,000.
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.step == "bake-100"

    virtually(story)


def test_a_promotion_says_by_what_it_was_decided() -> None:
    """``pass`` when every guard passed, else which was undecided and what the plan said of that."""

    async def story() -> None:
        busy = await house_with(World(demand=Demand(rate=200)))
        strategy = BlueGreen(watch=10, keep_warm=0)
        assert (await busy.deployer.deploy(SHOP, TWO, strategy)).policy == "pass"
        quiet = await house_with(World())
        assert (await quiet.deployer.deploy(SHOP, TWO, strategy)).policy == (
            "by plan: error-rate was no_data: continue"
        )

    virtually(story)


def test_a_verdict_in_the_moment_of_the_last_bakes_end_still_counts() -> None:
    """Before the promotion every guard is asked once more: an old pass does not promote."""

    async def story() -> None:
        house = await house_with()
        plan = await watched(house, Oracle({0: Verdict.PASS, 9.999: Verdict.FAIL}), every_ms=600_000)
        result = await run(house, plan)
        assert result.outcome is Outcome.ROLLED_BACK
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_a_verdict_during_a_step_that_waits_stops_it() -> None:
    """A conviction while the next instances start does not wait for them to be ready."""

    async def story() -> None:
        slow = Behaviour(start_seconds=100)
        house = await house_with(World(demand=BUSY))
        oracle = Oracle({0: Verdict.PASS, 8: Verdict.FAIL})
        house.checks["oracle"] = oracle
        strategy = Canary(steps=(25, 100), bake=5, keep_warm=0, analysis=[BoundCheck("oracle")])
        plan = await house.deployer.plan(SHOP, TWO, strategy)
        async with house.another().run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "bake-25":
                    house.world.behave(TWO.revision, slow)
            result = await rollout.result()
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.step == "ready-100"
        assert result.seconds < 30
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


def test_no_guard_speaks_after_the_promotion() -> None:
    """Past the point of no return there is nothing to convict."""

    async def story() -> None:
        house = await house_with()
        oracle = Oracle({0: Verdict.PASS})
        plan = await watched(house, oracle, every_ms=10)
        async with house.another().run(plan) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "promote":
                    oracle.script = {0: Verdict.FAIL}
            assert (await rollout.result()).promoted
        events = await house.events()
        promoted = next(
            e.seq
            for e in events
            if isinstance(e.record, Intended) and e.record.step == "promote" and e.rollout == rollout.id
        )
        assert not any(isinstance(e.record, Judged) and e.seq > promoted for e in events)
        assert isinstance(events[-1].record, Ended)

    virtually(story)


def _guard(plan: Plan) -> Guard:
    return plan.guards[0]


def test_the_usual_actions_hold_on_errors_and_go_on_without_data() -> None:
    """What a plan says unless told otherwise: only a fail sends back."""

    async def story() -> None:
        house = await house_with()
        plan = await watched(house, Oracle())
        assert dict(_guard(plan).on) == dict(CONVICTING) == ON

    virtually(story)

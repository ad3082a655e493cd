"""Comparisons as guards: judged between looks, carried through steps and crashes, decided by the plan at the end."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.analysis import Cap, State
from fairdeploy.engine import with_measured_power
from fairdeploy.engine.comparing import Batches
from fairdeploy.engine.guard_state import GuardState
from fairdeploy.errors import InvalidInput, RecordError, Unbound
from fairdeploy.journal import codec
from fairdeploy.metrics import MemorySource
from fairdeploy.model import (
    Action,
    BoundSource,
    Counters,
    ErrorComparison,
    ErrorRate,
    Guard,
    Held,
    Intended,
    Judged,
    LatencyComparison,
    Outcome,
    Paused,
    PrometheusSource,
    SampleRatio,
    Shift,
    Split,
    Undecided,
    Verdict,
)
from fairdeploy.strategies import BlueGreen, Canary, Rolling
from fairdeploy.testing.simulation import Behaviour, Demand, Fault, World
from tests.engine.simulated import ONE, SHOP, TWO, Died, House, Life, live, recovered, virtually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.engine import Deployer
    from fairdeploy.model import Plan, RolloutResult, Target
    from fairdeploy.protocols import Strategy

BUSY = Demand(rate=100)
GOOD, BAD = Behaviour(error_share=0.01), Behaviour(error_share=0.05)
CANARY = Canary(steps=(10, 50, 100), bake=60, keep_warm=0, dynamic_scale=False)
COMPARED = replace(CANARY, analysis=(ErrorComparison(),))


async def house_of(stable: Behaviour, candidate: Behaviour, demand: Demand = BUSY, seed: int = 1) -> House:
    """Return a house in which the first release stands and behaves, and the second will."""
    house = House(World({ONE.revision: stable, TWO.revision: candidate}, demand=demand, seed=seed))
    await house.standing(ONE, strategy=BlueGreen(watch=1, keep_warm=0, analysis=()))
    return house


async def run(house: House, strategy: Strategy) -> RolloutResult:
    """Deploy the second release and return how it ended."""
    deployer = house.another()
    async with deployer.run(await deployer.plan(SHOP, TWO, strategy)) as rollout:
        return await rollout.result()


def judged(house_records: list[object], guard: str) -> list[Judged]:
    """Return what was judged by a guard."""
    return [r for r in house_records if isinstance(r, Judged) and r.guard == guard]


def test_a_canary_with_five_times_the_errors_is_convicted_by_the_routers_own_numbers() -> None:
    """Health is green: only the comparison knows, at the first share, long before the bake is over."""

    async def story() -> None:
        house = await house_of(GOOD, BAD)
        result = await run(house, CANARY)
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.step == "bake-10"
        assert result.reason.startswith("error-comparison: errors ")
        house.serves_only(ONE)
        house.unharmed()

    virtually(story)


@pytest.mark.parametrize("seed", range(3))
def test_a_canary_as_good_as_stable_is_promoted(seed: int) -> None:
    """Though one in a hundred of its requests fails."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD, seed=seed)
        result = await run(house, CANARY)
        assert result.promoted
        house.serves_only(TWO)

    virtually(story)


def test_a_slower_canary_is_convicted() -> None:
    """By its latency alone: it answers without errors."""

    async def story() -> None:
        house = await house_of(Behaviour(), Behaviour(slowness=2.0))
        result = await run(house, replace(CANARY, analysis=(ErrorComparison(), LatencyComparison())))
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.reason.startswith("latency-comparison: ")

    virtually(story)


def test_what_is_broken_for_both_holds_and_does_not_send_back() -> None:
    """Stable fails as well: the rollout waits until both are well again, and goes on."""

    async def story() -> None:
        house = await house_of(Behaviour(), Behaviour())
        deployer = house.another()
        async with deployer.run(await deployer.plan(SHOP, TWO, CANARY)) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Intended) and event.record.step == "bake-50":
                    await anyio.sleep(10)
                    for each in (ONE, TWO):
                        house.world.behave(each.revision, Behaviour(error_share=0.9))
                    await anyio.sleep(100)
                    for each in (ONE, TWO):
                        house.world.behave(each.revision, Behaviour())
            result = await rollout.result()
        assert result.promoted
        assert await house.records(Held)
        shared = [
            r for r in judged(list(await house.records(Judged)), "error-rate") if r.action is Action.HOLD
        ]
        assert "so is" in shared[0].message
        assert shared[0].verdict is Verdict.INCONCLUSIVE

    virtually(story)


def test_what_stays_broken_for_both_ends_as_the_plan_says() -> None:
    """Here, after ten minutes of holding, it goes back."""

    async def story() -> None:
        house = await house_of(Behaviour(error_share=0.9), Behaviour(error_share=0.9))
        result = await run(house, CANARY)
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.seconds > 600
        assert "so is" in result.reason

    virtually(story)


def test_a_baseline_that_fails_less_does_not_excuse_the_candidate() -> None:
    """Both are above the limit, one of them three times as far: that is its own fault."""

    async def story() -> None:
        house = await house_of(Behaviour(error_share=0.03), Behaviour(error_share=0.3))
        check = ErrorRate(max_percent=1, min_requests=50)
        result = await run(house, replace(CANARY, analysis=(check,)))
        assert result.outcome is Outcome.ROLLED_BACK
        assert result.seconds < 60

    virtually(story)


@pytest.mark.parametrize(("times", "outcome"), [(20, Outcome.PROMOTED), (100_000, Outcome.ROLLED_BACK)])
def test_a_source_that_dies_holds_and_then_what_the_plan_says_follows(times: int, outcome: Outcome) -> None:
    """It is an error: neither zero nor a verdict. If it comes back in time, the rollout goes on."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        house.world.faults.append(Fault(call="router.counters", skip=30, times=times))
        result = await run(house, COMPARED)
        assert result.outcome is outcome
        held = await house.records(Held)
        assert len(held) == 1
        verdicts = [r.verdict for r in judged(list(await house.records(Judged)), "error-comparison")]
        assert Verdict.ERROR in verdicts
        assert Verdict.FAIL not in verdicts

    virtually(story)


def test_a_quiet_site_is_promoted_by_the_policy_that_its_plan_names() -> None:
    """Nothing is decided in three minutes at half a request a second, and the result says so."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD, Demand(rate=0.5))
        deployer = house.another()
        plan = await deployer.plan(SHOP, TWO, COMPARED)
        assert "undecided at the end (promote-undecided): go on if no check failed" in str(plan)
        async with deployer.run(plan) as rollout:
            result = await rollout.result()
        assert result.promoted
        assert result.policy.startswith("by promote-undecided: error-comparison was inconclusive (errors ")
        assert "promoted by promote-undecided" in str(result)

    virtually(story)


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        (Undecided(far=Action.ROLLBACK), Outcome.ROLLED_BACK),
        (Undecided(far=Action.PAUSE), Outcome.PROMOTED),
        (Undecided(far=Action.HOLD), Outcome.ROLLED_BACK),
    ],
)
def test_another_policy_goes_back_asks_or_waits(policy: Undecided, outcome: Outcome) -> None:
    """It is data in the plan, and holds only once the whole bake is over."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD, Demand(rate=0.5))
        deployer = house.another()
        strategy = replace(COMPARED, undecided=policy)
        async with deployer.run(await deployer.plan(SHOP, TWO, strategy)) as rollout:
            async for event in rollout.events():
                if isinstance(event.record, Paused):
                    await rollout.resume()
            result = await rollout.result()
        assert result.outcome is outcome
        assert result.seconds > 180
        assert bool(await house.records(Paused)) is (policy.far is Action.PAUSE)

    virtually(story)


def test_undecided_with_the_fail_side_near_goes_on_counting() -> None:
    """With a limit of 0 any evidence is near: it holds after the bake, up to its limit, then goes back."""

    async def story() -> None:
        house = await house_of(Behaviour(), Behaviour(error_share=0.02), Demand(rate=20))
        check = ErrorComparison(alpha=1e-9, negligible_percent=0)
        result = await run(house, replace(CANARY, analysis=(check,), undecided=Undecided(limit=0)))
        assert result.outcome is Outcome.ROLLED_BACK
        assert await house.records(Held)
        assert result.seconds > 180

    virtually(story)


def test_several_comparisons_share_their_alpha() -> None:
    """So that the rollout's is what was asked for."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        strategy = replace(CANARY, analysis=(ErrorComparison(), LatencyComparison(), ErrorRate()))
        plan = await house.deployer.plan(SHOP, TWO, strategy)
        alphas = [getattr(guard.check, "alpha", None) for guard in plan.guards]
        assert alphas == [0.025, 0.025, None]

    virtually(story)


def test_where_old_and_new_never_serve_together_nothing_is_compared() -> None:
    """A note of the plan says so; a rolling one does compare."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        both = (ErrorComparison(), ErrorRate())
        plan = await house.deployer.plan(SHOP, TWO, BlueGreen(watch=10, analysis=both))
        assert [guard.id for guard in plan.guards] == ["error-rate"]
        assert any(
            note.startswith("Not compared: old and new never have traffic together") for note in plan.notes
        )
        rolling = await house.deployer.plan(SHOP, TWO, Rolling(analysis=both, watch=10))
        assert [guard.id for guard in rolling.guards] == ["error-comparison", "error-rate"]

    virtually(story)


def test_a_plan_can_say_what_the_traffic_can_detect() -> None:
    """Counted at the router; a quiet target says that nothing can be compared."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        plan = await house.deployer.plan(
            SHOP, TWO, replace(CANARY, analysis=(*CANARY.analysis, LatencyComparison()))
        )
        told = await with_measured_power(plan, house.backend, count_for=60)
        added = told.notes[len(plan.notes) :]
        assert added[0].startswith("error-comparison: Both revisions serve 1")
        assert added[1].startswith("error-comparison: Found with a probability of 80 %")
        assert any(note.startswith("latency-comparison: ") for note in added)
        assert replace(told, notes=plan.notes) == plan
        known = await house.deployer.plan(SHOP, TWO, CANARY, requests_per_second=100)
        assert any("(100/s with 0.1 % errors)" in note for note in known.notes)
        quiet = await house_of(GOOD, GOOD, Demand(rate=0))
        silent = await with_measured_power(plan, quiet.backend)
        assert silent.notes[-1].startswith("Traffic: no request in 10 s")
        plain = await house.deployer.plan(SHOP, TWO, replace(CANARY, analysis=()))
        assert await with_measured_power(plain, house.backend) is plain

    virtually(story)


# State.


def _states(plan: Plan, events: list[object]) -> list[State]:
    """Return every state of the first comparison that was journaled, in order."""
    texts = []
    for record in events:
        if isinstance(record, Judged) and record.guard == plan.guards[0].id:
            texts.append(record.state)
        if isinstance(record, Intended):
            texts += [text for guard, text in record.states if guard == plan.guards[0].id]
    return [State.read(GuardState.read(text).comparison) for text in texts if text]


def test_the_evidence_survives_a_crash_in_the_middle() -> None:
    """What the next program begins with is what the dead one had journaled last."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        life = Life()

        async def deed(deployer: Deployer) -> None:
            plan = await deployer.plan(SHOP, TWO, replace(COMPARED, on_crash="resume"))
            async with deployer.run(plan) as rollout:
                async for event in rollout.events():
                    if isinstance(event.record, Intended) and event.record.step == "bake-50":
                        await anyio.sleep(5)
                        life.dead = True
                        raise Died

        assert await live(house, life, deed)
        info = (await house.backend.journal.rollouts())[-1]
        before = [event.record for event in await house.events(info.id)]
        known = _states(info.plan, list(before))[-1]
        assert known.candidate > 300
        (result,) = await recovered(house)
        assert result.promoted
        after = [event.record for event in await house.events(info.id)][len(before) :]
        first = _states(info.plan, list(after))[0]
        assert first.candidate == known.candidate
        assert first.tallies == known.tallies
        counts = [state.candidate for state in _states(info.plan, [*before, *after])]
        assert counts == sorted(counts)

    virtually(story)


def test_a_crash_in_a_long_bake_costs_a_minute_of_evidence_at_most() -> None:
    """Though neither verdict nor share changed for half an hour."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        life = Life()

        async def deed(deployer: Deployer) -> None:
            strategy = replace(COMPARED, steps=(50, 100), bake=(3600, 60), on_crash="resume")
            async with deployer.run(await deployer.plan(SHOP, TWO, strategy)) as rollout:
                async for event in rollout.events():
                    if isinstance(event.record, Intended) and event.record.step == "bake-50":
                        await anyio.sleep(1_800)
                        life.dead = True
                        raise Died

        assert await live(house, life, deed)
        info = (await house.backend.journal.rollouts())[-1]
        known = _states(info.plan, [event.record for event in await house.events(info.id)])[-1]
        served = 0.5 * 100 * 1_800
        minute = 0.5 * 100 * 65  # and one look
        assert known.candidate >= served - minute

    virtually(story)


def test_evidence_from_before_a_crash_convicts_after_it() -> None:
    """Neither half alone would."""

    async def story(*, crash: bool) -> tuple[str, float]:
        house = await house_of(GOOD, BAD, Demand(rate=20), seed=4)
        life = Life()
        strategy = replace(COMPARED, steps=(10, 11, 100), bake=(60, 3600, 60), on_crash="resume")

        async def deed(deployer: Deployer) -> None:
            async with deployer.run(await deployer.plan(SHOP, TWO, strategy)) as rollout:
                async for event in rollout.events():
                    if crash and isinstance(event.record, Intended) and event.record.step == "bake-11":
                        life.dead = True
                        raise Died

        if await live(house, life, deed):
            await recovered(house)
        info = (await house.backend.journal.rollouts())[-1]
        records = [event.record for event in await house.events(info.id)]
        (last,) = [r for r in records if isinstance(r, Judged) and r.verdict is Verdict.FAIL]
        return last.message, _states(info.plan, [last])[0].candidate

    message, requests = virtually(lambda: story(crash=True))
    assert message.startswith("errors ")
    assert requests > 120  # a minute at 10 % of 20 requests a second was before the crash


def test_each_shift_is_intended_with_what_was_counted_until_then() -> None:
    """And no batch spans two weights: what is counted while the split changes is in none."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        assert (await run(house, replace(CANARY, analysis=(ErrorComparison(), SampleRatio())))).promoted
        info = (await house.backend.journal.rollouts())[-1]
        shifts = {step.id for step in info.plan.steps if isinstance(step, Shift)}
        intents = [
            r for e in await house.events(info.id) if isinstance(r := e.record, Intended) and r.step in shifts
        ]
        assert [len(each.states) for each in intents] == [2, 2, 2]
        known = _states(info.plan, list(intents))
        assert known[0].candidate == 0
        assert known[1].candidate < known[2].candidate
        ratio = judged(list(await house.records(Judged)), "sample-ratio")
        assert ratio[-1].verdict is Verdict.PASS

    virtually(story)


def counters(requests: int, errors: int, incarnation: str = "1") -> Counters:
    """Return counters."""
    return Counters(requests=requests, errors=errors, incarnation=incarnation)


HALF = Split.between("old", "new", 5_000)
GUARD = Guard("g", check=ErrorComparison(), target="t", candidate="new", baseline="old", since="a", until="b")


def look(old: Counters | None, new: Counters | None) -> Mapping[str, Counters]:
    """Return what a source tells."""
    return {name: each for name, each in (("old", old), ("new", new)) if each is not None}


def test_a_batch_lies_between_two_looks_of_one_era() -> None:
    """Before the first look, over a change of the split, and over counting begun anew there is none."""
    check = ErrorComparison()
    memory = Batches.of(check, GUARD, "")
    memory.look(look(counters(100, 50), counters(100, 50)), 0, HALF)
    assert memory.state.candidate == 0
    memory.look(look(counters(110, 50), counters(120, 50)), 0, HALF)
    assert (memory.state.baseline, memory.state.candidate) == (10, 20)
    memory.look(look(counters(210, 50), counters(220, 50)), 2, HALF)
    assert memory.state.candidate == 20
    memory.between()
    memory.look(look(counters(310, 50), counters(320, 50)), 2, HALF)
    assert memory.state.candidate == 20
    memory.look(look(counters(0, 0, "2"), counters(330, 50)), 2, HALF)
    assert memory.state.candidate == 20
    memory.look(look(counters(5, 0, "2"), counters(340, 50)), 2, HALF)
    assert (memory.state.baseline, memory.state.candidate) == (15, 30)
    again = Batches.of(check, GUARD, memory.state.write())
    assert again.state == memory.state


def test_a_revision_that_has_traffic_and_is_not_counted_is_no_data() -> None:
    """Never zero, and never the old verdict."""
    memory = Batches.of(ErrorComparison(), GUARD, "")
    for number in range(1, 4):
        memory.look(look(counters(number * 10_000, 0), counters(number * 10_000, 0)), 0, HALF)
    assert memory.look(look(None, counters(50_000, 0)), 0, HALF).verdict is Verdict.NO_DATA
    assert memory.look(look(counters(50_000, 0), None), 0, HALF).verdict is Verdict.NO_DATA
    all_new = Split.all_to("new")
    assert memory.look(look(None, counters(60_000, 0)), 2, all_new).verdict is not Verdict.NO_DATA


def test_a_guards_state_is_versioned() -> None:
    """It is read as it was written, and a newer one is refused."""
    state = GuardState(held_ms=1_500, exhausted=True, failures=2, comparison="{}")
    assert GuardState.read(state.write()) == state
    assert GuardState().write() == ""
    assert GuardState.read("") == GuardState()
    newer = json.dumps({**json.loads(state.write()), "version": 2})
    for wrong in (newer, "{", "[]", '{"version": 1, "held_ms": 1}', '{"version":1,"more":1}'):
        with pytest.raises(RecordError):
            GuardState.read(wrong)
    with pytest.raises(InvalidInput):
        Batches.of(LatencyComparison(), GUARD, Batches.of(ErrorComparison(), GUARD, "").state.write())


def test_a_state_that_cannot_be_read_holds_and_judges_nothing() -> None:
    """Whoever goes on with less than was known would judge on half the evidence."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        life = Life()

        async def deed(deployer: Deployer) -> None:
            plan = await deployer.plan(SHOP, TWO, replace(COMPARED, on_crash="resume"))
            async with deployer.run(plan) as rollout:
                async for event in rollout.events():
                    if isinstance(event.record, Intended) and event.record.step == "bake-50":
                        life.dead = True
                        raise Died

        await live(house, life, deed)
        info = (await house.backend.journal.rollouts())[-1]
        house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
        lease = await house.backend.journal.take(info.id, "newer", 1_000, reason="test")
        newer = Judged(
            guard="error-comparison",
            verdict=Verdict.INCONCLUSIVE,
            action=Action.CONTINUE,
            state='{"version":99}',
        )
        await house.backend.journal.append(lease, newer)
        (result,) = await recovered(house)
        assert result.outcome is Outcome.ROLLED_BACK
        assert "has version 99" in result.reason

    virtually(story)


# Sources.


class Lying:
    """A source that tells of a split that nobody ordered."""

    async def counters(self, target: Target, revisions: frozenset[str]) -> Mapping[str, Counters]:
        """Grow by ten a second, alike for all."""
        await anyio.lowlevel.checkpoint()
        return {each: counters(int(anyio.current_time() * 10), 0) for each in revisions}

    def configuration(self) -> str:
        """Say what it is."""
        return "lying"


def test_traffic_that_is_not_split_as_told_is_a_warning() -> None:
    """It is recorded and promotes all the same: it is no fault of the candidate."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        deployer = house.another(sources={"lying": Lying()})
        strategy = replace(CANARY, analysis=(SampleRatio(),), source=BoundSource("lying"))
        plan = await deployer.plan(SHOP, TWO, strategy)
        assert "counted by lying" in str(plan)
        assert "fails: warn" in str(plan)
        async with deployer.run(plan) as rollout:
            assert (await rollout.result()).promoted
        found = judged(list(await house.records(Judged)), "sample-ratio")
        assert {r.action for r in found if r.verdict is Verdict.FAIL} == {Action.CONTINUE}

    virtually(story)


def test_a_source_of_ones_own_is_bound_by_name_and_configuration() -> None:
    """Going forward needs the same; the plan holds its hash."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        strategy = replace(COMPARED, source=BoundSource("mine"))
        with pytest.raises(Unbound, match="needs the source 'mine'"):
            await house.deployer.plan(SHOP, TWO, strategy)
        plan = await house.another(sources={"mine": MemorySource()}).plan(SHOP, TWO, strategy)
        source = plan.guards[0].source
        assert isinstance(source, BoundSource)
        assert len(source.configuration) == 64
        other = house.another(sources={"mine": MemorySource([1, 2])})
        with pytest.raises(Unbound, match="configured otherwise"):
            async with other.run(plan):
                pass

    virtually(story)


@pytest.mark.parametrize(("cap", "outcome"), [(None, Outcome.ROLLED_BACK), (Cap(), Outcome.PROMOTED)])
def test_a_client_that_tries_again_and_again_is_one_fact(cap: Cap | None, outcome: Outcome) -> None:
    """Forty errors of one session convict a sound release, if nobody knows that they are one's; with a cap they do not."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        heard = MemorySource(cap=cap, clock=anyio.current_time)

        def hear(second: int) -> None:
            for number in range(100):
                revision = TWO.revision if number < 10 else ONE.revision
                heard.add(
                    SHOP,
                    revision,
                    error=(37 * second + number) % 100 == 5,
                    client=f"visitor {second} {number}",
                )
            if second == 20:
                for _ in range(40):
                    heard.add(SHOP, TWO.revision, error=True, client="one session")

        async def listen() -> None:
            for second in itertools.count():
                hear(second)
                await anyio.sleep(1)

        deployer = house.another(sources={"heard": heard})
        plan = await deployer.plan(SHOP, TWO, replace(COMPARED, source=BoundSource("heard")))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            async with deployer.run(plan) as rollout:
                result = await rollout.result()
                assert result.outcome is outcome, str(result)
            tasks.cancel_scope.cancel()

    virtually(story)


def test_a_prometheus_travels_in_the_plan() -> None:
    """Whoever reads it can ask again; it holds no secret."""

    async def story() -> None:
        house = await house_of(GOOD, GOOD)
        source = PrometheusSource("http://127.0.0.1:1", requests="r{revision}", errors="e{revision}")
        plan = await house.deployer.plan(SHOP, TWO, replace(COMPARED, source=source))
        assert codec.plan(codec.encode_plan(plan), "the plan") == plan
        assert "counted by Prometheus at http://127.0.0.1:1" in str(plan)

    virtually(story)


def test_a_strategy_refuses_an_object_for_a_source() -> None:
    """A plan is data."""
    with pytest.raises(InvalidInput, match="source must be data"):
        Canary(source=MemorySource())  # type: ignore[arg-type]  # the point
    with pytest.raises(InvalidInput, match="undecided must be a policy"):
        Canary(undecided="promote")  # type: ignore[arg-type]  # the point
    with pytest.raises(InvalidInput, match="limit must be from 0"):
        Undecided(limit=2)
    with pytest.raises(InvalidInput, match="far must be an Action"):
        Undecided(far="go")  # type: ignore[arg-type]  # the point

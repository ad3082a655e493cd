from __future__ import annotations

from datetime import timedelta

import pytest

from fairdeploy.errors import InvalidInput, UnsupportedCapability
from fairdeploy.model import (
    MATCH_STABLE,
    Action,
    Bake,
    BoundCheck,
    Capability,
    Deployment,
    ErrorRate,
    HTTPCheck,
    Latency,
    Retire,
    Scale,
    Shift,
    Split,
    Start,
    Verdict,
)
from fairdeploy.strategies import Canary
from tests.strategies.worlds import EVERYTHING, NEW, OLD, deployed, ids, release, target


def test_the_default_steps_are_five_minutes_each() -> None:
    """Without arguments: 5, 25, 50, 75 and 100 %, five minutes each, capacity before weight, one warm window."""
    plan = Canary().plan(NEW, target(4), deployed(4), EVERYTHING)

    assert ids(plan) == [
        *("start", "ready", "verify", "shift-5", "bake-5", "shift-25", "bake-25"),
        *("scale-50", "ready-50", "shift-50", "bake-50", "scale-75", "ready-75", "shift-75", "bake-75"),
        *("scale-100", "ready-100", "shift-100", "bake-100", "promote", "drain", "retire"),
    ]
    assert {step.duration_ms for step in plan.steps if isinstance(step, Bake)} == {300_000}
    assert [step.replicas for step in plan.steps if isinstance(step, Start | Scale)] == [1, 2, 3, 4]
    assert [step.keep_warm_ms for step in plan.steps if isinstance(step, Retire)] == [600_000]


def test_shares_may_be_as_fine_as_a_router_can_split() -> None:
    """A hundredth of a percent is a step like any other."""
    plan = Canary(steps=(0.01, 0.5, 100), bake=0).plan(NEW, target(2), deployed(2), EVERYTHING)

    splits = [step.split for step in plan.steps if isinstance(step, Shift)]
    assert [split.share(NEW.revision) for split in splits if split] == [1, 50, 10_000]
    assert "shift-0.01" in ids(plan)


def test_each_step_can_have_its_own_time() -> None:
    """Bake times are given one for all or one for each; none is no step."""
    plan = Canary(steps=[10, 100], bake=[timedelta(hours=1), 0]).plan(NEW, target(), deployed(), EVERYTHING)

    assert [(s.id, s.duration_ms) for s in plan.steps if isinstance(s, Bake)] == [("bake-10", 3_600_000)]


def test_full_size_from_the_start() -> None:
    """Without dynamic scale the candidate has all its instances before the first share."""
    plan = Canary(dynamic_scale=False).plan(NEW, target(4), deployed(4), EVERYTHING)

    assert [step.replicas for step in plan.steps if isinstance(step, Start | Scale)] == [4]


def test_an_autoscaler_is_followed_when_it_counts() -> None:
    """Without a number of replicas the shares go by what stable has, and the last step by what it has then."""
    plan = Canary(steps=(50, 100)).plan(NEW, target(None), deployed(6), EVERYTHING)

    assert [s.replicas for s in plan.steps if isinstance(s, Start | Scale)] == [3, MATCH_STABLE]


def test_smoke_tests_reach_the_candidate_before_any_visitor() -> None:
    """The header route stands from before the first share until the candidate has everything."""
    plan = Canary(steps=(10, 100), smoke_header=("x-smoke", "1")).plan(NEW, target(), deployed(), EVERYTHING)
    shifts = [step for step in plan.steps if isinstance(step, Shift)]

    assert [(step.id, bool(step.headers)) for step in shifts] == [
        ("smoke", True),
        ("shift-10", True),
        ("shift-100", False),
    ]
    assert shifts[0].split == Split.all_to(OLD.revision)
    assert ids(plan).index("smoke") < ids(plan).index("verify")


def test_analysis_watches_from_the_first_share() -> None:
    """Each check of the analysis is a guard, on candidate and baseline, with the chosen answer to too few data."""
    plan = Canary(
        analysis=[ErrorRate(), Latency(), Latency(percentile=50), BoundCheck("orders"), HTTPCheck("/")],
        on_no_data=Action.HOLD,
        failures=2,
        every=5,
    ).plan(NEW, target(), deployed(), EVERYTHING)

    assert [guard.id for guard in plan.guards] == ["error-rate", "latency", "latency-2", "orders", "http"]
    for guard in plan.guards:
        assert (guard.since, guard.until, guard.failures, guard.every_ms) == ("shift-5", "bake-100", 2, 5_000)
        assert (guard.candidate, guard.baseline) == (NEW.revision, OLD.revision)
        assert guard.on[Verdict.NO_DATA] is Action.HOLD
        assert guard.on[Verdict.FAIL] is Action.ROLLBACK


def test_what_cannot_be_counted_is_said() -> None:
    """Where no router counts, counting checks are left out and a note says so; health checks stay."""
    strategy = Canary(analysis=[ErrorRate(), HTTPCheck("/")])
    plan = strategy.plan(NEW, target(), deployed(), EVERYTHING - {Capability.COUNTERS})

    assert [guard.id for guard in plan.guards] == ["http"]
    assert any(note.startswith("Not watched") for note in plan.notes)


def test_a_first_deploy_skips_the_steps() -> None:
    """Where nothing serves there is nothing to compare with: verified, everything, promoted."""
    plan = Canary().plan(NEW, target(3), Deployment("shop/production"), EVERYTHING)

    assert ids(plan) == ["start", "ready", "verify", "shift", "promote"]
    assert plan.strategy == "First deploy"
    assert plan.base("shop/production").stable is None


def test_workers_take_the_steps_by_number() -> None:
    """Without traffic the shares are instances; the old workers stop before they could stay warm and go on working."""
    worker, before = release("2", serves=False), release("1", serves=False)
    plan = Canary(steps=(50, 100)).plan(worker, target(4, endpoint=None), deployed(4, old=before), EVERYTHING)

    assert not [step for step in plan.steps if isinstance(step, Shift)]
    assert ids(plan)[:4] == ["start", "ready", "verify", "bake-50"]
    assert [step.keep_warm_ms for step in plan.steps if isinstance(step, Retire)] == [0]
    assert plan.step("drain") is not None


def test_a_warm_candidate_is_used_as_it_is() -> None:
    """Instances of the candidate that are there count, and surplus ones go after the promotion."""
    plan = Canary(steps=(50, 100)).plan(NEW, target(2), deployed(2, warm=3), EVERYTHING)

    assert [s.replicas for s in plan.steps if isinstance(s, Start)] == [3]
    assert ids(plan)[-2:] == ["trim-drain", "trim"]


def test_stable_is_made_fit_before_it_takes_over_a_strays_share() -> None:
    """If a stray has traffic, stable is waited for before the first split gives it that share."""
    there = deployed(2, warm=1, split=Split({OLD.revision: 7_500, NEW.revision: 2_500}))
    plan = Canary().plan(NEW, target(2), there, EVERYTHING)

    assert ids(plan).index("ready-stable") < ids(plan).index("shift-5")


def test_the_same_release_is_no_rollout() -> None:
    """What is stable with its replicas and its traffic needs nothing; other replicas or traffic are put right."""
    same = Canary().plan(OLD, target(4), deployed(4), EVERYTHING)
    more = Canary().plan(OLD, target(6), deployed(4), EVERYTHING)
    fewer = Canary().plan(OLD, target(2), deployed(4), EVERYTHING)
    skewed = deployed(4, warm=1, split=Split({OLD.revision: 9_500, NEW.revision: 500}))

    assert not same.changes
    assert "Nothing to do" in same.notes[0]
    assert ids(more) == ["scale", "ready"]
    assert ids(fewer) == ["drain", "scale"]
    assert ids(Canary().plan(OLD, target(4), skewed, EVERYTHING)) == ["ready", "shift"]


def test_traffic_must_be_divisible() -> None:
    """Without weights there is no canary of what serves: refused, with a remedy."""
    with pytest.raises(UnsupportedCapability, match=r"'weights'.*Rolling"):
        Canary().plan(NEW, target(), deployed(), EVERYTHING - {Capability.WEIGHTS})


def test_a_wanted_header_must_be_possible() -> None:
    """A smoke header that the router cannot match is refused, naming step and remedy."""
    with pytest.raises(UnsupportedCapability, match=r"'headers'.*'smoke'.*smoke_header=None"):
        Canary(smoke_header=("x", "1")).plan(NEW, target(), deployed(), EVERYTHING - {Capability.HEADERS})


def test_another_targets_deployment_is_refused() -> None:
    """A plan is made for what was observed of the same target."""
    with pytest.raises(InvalidInput, match="'else/production'"):
        Canary().plan(NEW, target(), Deployment("else/production"), EVERYTHING)

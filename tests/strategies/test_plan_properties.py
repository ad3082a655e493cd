from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter

from fairdeploy.errors import UnsupportedCapability
from fairdeploy.model import (
    WHOLE,
    AwaitReady,
    Drain,
    HTTPCheck,
    Plan,
    Promote,
    Release,
    Retire,
    Scale,
    Shift,
    Split,
    Start,
    TCPCheck,
    Verify,
)
from fairdeploy.model.canonical import canonical
from fairdeploy.strategies import (
    Approved,
    Recreate,
    Rolling,
    needs,
    refuse_unsupported,
    restart_plan,
    rollback_plan,
    scale_plan,
    with_checks,
)
from tests.strategies.worlds import World, gated, played, strategies, worlds

if TYPE_CHECKING:
    from fairdeploy.model import Check
    from fairdeploy.protocols import Strategy

PLANS = TypeAdapter(Plan)
CHECKS: dict[str, Check] = {"api": HTTPCheck("/"), "database": TCPCheck("db:5432", scope="shared")}


@given(worlds(), gated)
def test_equal_arguments_give_equal_plans(world: World, strategy: Strategy) -> None:
    """A strategy is a pure function: the same arguments give an equal plan with an equal hash."""
    first, second = world.plan(strategy), world.plan(strategy)

    assert first == second
    assert first.hash == second.hash


@given(worlds(), gated)
def test_a_plan_survives_its_record(world: World, strategy: Strategy) -> None:
    """A plan that is written and read again is the same, with the same hash."""
    plan = with_checks(world.plan(strategy), CHECKS)

    again = PLANS.validate_json(canonical(plan))

    assert again == plan
    assert again.hash == plan.hash


@given(worlds(), gated)
def test_nothing_gets_traffic_without_capacity(world: World, strategy: Strategy) -> None:
    """Whoever gets a larger share by a shift has ready instances for it already."""
    before = world.deployment.split
    inner = strategy.inner if isinstance(strategy, Approved) else strategy
    for step, paper in played(world.plan(strategy), world.deployment):
        if isinstance(step, Shift) and step.split:
            for revision, share in step.split.shares.items():
                if share > (before.share(revision) if before else 0):
                    assert paper.ready[revision] > 0, (step, paper)
                if revision == world.release.revision and not isinstance(inner, Rolling):
                    assert (
                        paper.ready[revision] * WHOLE >= share * world.replicas or not world.target.replicas
                    )
        before = paper.split


@given(worlds(), gated)
def test_a_header_leads_only_to_what_is_ready(world: World, strategy: Strategy) -> None:
    """Smoke tests and previews find ready instances, and end with the last shift."""
    last: Shift | None = None
    for step, paper in played(world.plan(strategy), world.deployment):
        if isinstance(step, Shift):
            last = step
            assert all(paper.ready[header.revision] for header in step.headers)

    assert last is None or not last.headers


@given(worlds(), gated)
def test_there_is_one_point_of_no_return(world: World, strategy: Strategy) -> None:
    """A plan that brings a release promotes it once, when it has all traffic."""
    plan = world.plan(strategy)
    promotions = [paper.split for step, paper in played(plan, world.deployment) if isinstance(step, Promote)]

    assert len(promotions) == 1
    if any(isinstance(step, Shift) for step in plan.steps):
        assert promotions[0] == Split.all_to(world.release.revision)


@given(worlds(), strategies)
def test_the_old_revision_is_put_away_after_the_promotion(world: World, strategy: Strategy) -> None:
    """Stable is not drained, scaled down or retired before the promotion, but where the strategy is just that."""
    plan = world.plan(strategy)
    point = next(i for i, step in enumerate(plan.steps) if isinstance(step, Promote))
    early = [
        step
        for step in plan.steps[:point]
        if isinstance(step, Drain | Retire | Scale) and step.revision == world.deployment.stable
    ]

    assert not [step for step in early if isinstance(step, Retire)]
    if not isinstance(strategy, Rolling | Recreate):
        assert all(isinstance(step, Scale) and step.id == "scale-stable" for step in early)


@given(worlds(), gated)
def test_strangers_are_left_alone(world: World, strategy: Strategy) -> None:
    """No step touches a revision that is neither stable nor the candidate."""
    known = {world.deployment.stable, world.release.revision}
    for step in world.plan(strategy).steps:
        if isinstance(step, Start | AwaitReady | Scale | Drain | Retire | Verify):
            assert step.revision in known
        if isinstance(step, Shift) and step.split and step.split != world.deployment.split:
            assert set(step.split.shares) <= known


@given(worlds(), gated)
def test_the_wanted_number_is_left(world: World, strategy: Strategy) -> None:
    """In the end the candidate has the wanted replicas, all of them ready."""
    last = None
    for _, paper in played(world.plan(strategy), world.deployment):
        last = paper

    assert last is not None
    candidate = world.release.revision
    assert last.ready[candidate] == last.active[candidate]
    if world.target.replicas is not None:
        assert last.active[candidate] == world.target.replicas


@given(worlds(), gated)
def test_instances_are_stopped_only_once_drained(world: World, strategy: Strategy) -> None:
    """A scale below what is there follows a drain to the same number: no backend stops what was not drained."""
    count = {revision.id: revision.replicas for revision in world.deployment.revisions}
    kept: dict[str, int] = {}
    for step in world.plan(strategy).steps:
        if isinstance(step, Drain) and step.keep is not None:
            kept[step.revision] = step.keep
        if isinstance(step, Start | Scale) and isinstance(step.replicas, int):
            if step.replicas < count.get(step.revision, 0):
                assert kept.get(step.revision) == step.replicas
            count[step.revision] = step.replicas


@given(worlds(), gated)
def test_a_plan_says_what_it_costs_and_how_it_goes_back(world: World, strategy: Strategy) -> None:
    """Capacity, time and the way back are in the notes of every plan; the text prints them."""
    plan = world.plan(strategy)

    for word in ("Capacity:", "Time:", "Way back:"):
        assert any(note.startswith(word) for note in plan.notes)
    most = max(paper.total for _, paper in played(plan, world.deployment))
    now = sum(revision.replicas for revision in world.deployment.revisions)
    assert f"Capacity: {max(most, now)} instance" in str(plan)


@given(worlds(), gated)
def test_guards_watch_until_the_promotion(world: World, strategy: Strategy) -> None:
    """A guard begins when the candidate has work and stops at the last step before the promotion."""
    plan = with_checks(world.plan(strategy), CHECKS)
    order = [step.id for step in plan.steps]
    point = plan.point_of_no_return

    assert point is not None
    for guard in plan.guards:
        assert order.index(guard.since) < order.index(guard.until) == order.index(point.id) - 1
        since = plan.step(guard.since)
        assert isinstance(since, Shift | AwaitReady)
        if isinstance(since, Shift):
            assert since.split
            assert since.split.share(world.release.revision)


@given(worlds(), gated)
def test_checks_are_asked_before_traffic(world: World, strategy: Strategy) -> None:
    """The deployer's checks are in the verification, those on shared things are not, and none is empty."""
    plan = with_checks(world.plan(strategy), CHECKS)
    verifications = [step for step in plan.steps if isinstance(step, Verify)]

    assert len(verifications) == 1
    assert CHECKS["api"] in verifications[0].checks
    assert CHECKS["database"] not in verifications[0].checks
    assert not [
        s for s in with_checks(world.plan(strategy), {}).steps if isinstance(s, Verify) and not s.checks
    ]


@given(worlds(), strategies)
def test_what_is_stable_already_is_not_deployed_again(world: World, strategy: Strategy) -> None:
    """The plan for the stable release promotes nothing; carried out, there is nothing left to do."""
    stable = replace(world.deployment, stable=world.release.revision)
    again = World(world.release, world.target, stable)
    plan = again.plan(strategy)

    assert plan.point_of_no_return is None
    assert not plan.guards
    assert {getattr(step, "revision", world.release.revision) for step in plan.steps} <= {
        world.release.revision
    }


@given(worlds(steady=True), strategies)
def test_a_plan_needs_no_more_than_it_says(world: World, strategy: Strategy) -> None:
    """A plan is accepted with the capabilities that it needs, and refused without one of them."""
    plan = world.plan(strategy)
    wanted = needs(plan)

    refuse_unsupported(plan, wanted)
    for capability in wanted:
        with pytest.raises(UnsupportedCapability, match=capability):
            refuse_unsupported(plan, wanted - {capability})


@settings(max_examples=60)
@given(worlds(steady=True), st.integers(1, 12), st.integers(1, 4), st.booleans())
def test_verbs_never_take_more_than_they_say(world: World, replicas: int, batch: int, surge: bool) -> None:  # noqa: FBT001 -- drawn
    """Scaling ends at the wanted number; a restart with surge never has fewer ready than before, and replaces all."""
    stable = world.deployment.stable or ""
    size = world.replicas
    after = size
    for _, paper in played(scale_plan(world.target, world.deployment, replicas), world.deployment):
        after = paper.ready[stable]
    assert after == replicas

    old = Release("1.4", command=world.release.command)
    plan = restart_plan(world.target, world.deployment, old, batch=batch, surge=surge)
    replaced = 0
    fewest = size
    for step, paper in played(plan, world.deployment):
        fewest = min(fewest, paper.ready[stable])
        replaced += paper.quiescing[stable] if isinstance(step, Drain) else 0
    assert replaced == size
    assert fewest == (size if surge else max(0, size - batch))


@given(worlds())
def test_a_rollback_has_capacity_first(world: World) -> None:
    """Going back moves all traffic once, to as many ready instances as are wanted."""
    plan = rollback_plan(world.target, world.deployment, world.release)

    for step, paper in played(plan, world.deployment):
        if isinstance(step, Shift):
            assert paper.ready[world.release.revision] >= world.replicas
    assert not plan.guards
    assert plan.strategy == "Rollback"

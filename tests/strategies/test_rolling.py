from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fairdeploy.model import (
    WHOLE,
    AwaitReady,
    Capability,
    Drain,
    Promote,
    Scale,
    Shift,
    Split,
    Start,
)
from fairdeploy.strategies import Rolling
from tests.strategies.worlds import (
    EVERYTHING,
    NEW,
    OLD,
    World,
    bounds,
    deployed,
    ids,
    played,
    release,
    target,
    worlds,
)


def _number(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    part = replicas * int(value.removesuffix("%")) / 100
    return int(part) + (1 if up and part % 1 else 0)


def test_one_batch_after_the_other() -> None:
    """With the defaults four replicas are replaced one by one, with one above the number; the last old one waits."""
    plan = Rolling().plan(NEW, target(4), deployed(4), EVERYTHING)

    assert ids(plan) == [
        *("start", "ready-1", "verify", "shift-1", "drain-1", "shrink-1"),
        *("grow-2", "ready-2", "shift-2", "drain-2", "shrink-2"),
        *("grow-3", "ready-3", "shift-3", "drain-3", "shrink-3"),
        *("grow-4", "ready-4", "shift-all", "promote", "drain", "retire"),
    ]
    splits = [step.split for step in plan.steps if isinstance(step, Shift)]
    assert [split.share(NEW.revision) for split in splits if split] == [2_500, 5_000, 7_500, WHOLE]


def test_without_surge_the_old_goes_first() -> None:
    """Without surge an instance is drained and stopped before the new one starts."""
    plan = Rolling(max_surge=0, max_unavailable=1).plan(NEW, target(2), deployed(2), EVERYTHING)

    assert ids(plan) == [
        *("drain-1", "shrink-1", "start", "ready-2", "verify", "shift-2", "drain-2", "shrink-2"),
        *("grow-3", "ready-3", "promote", "retire"),
    ]


def test_a_lone_instance_without_surge_means_downtime() -> None:
    """One replica and no surge: traffic stops before the instance does, and a note says so."""
    plan = Rolling(max_surge=0, max_unavailable=1).plan(NEW, target(1), deployed(1), EVERYTHING)

    assert [step.split for step in plan.steps if isinstance(step, Shift)] == [
        None,
        Split.all_to(NEW.revision),
    ]
    assert any("there IS downtime" in note for note in plan.notes)


def test_everything_at_once_with_full_surge() -> None:
    """A surge of 100 % is one batch; all of the old revision waits for the promotion."""
    plan = Rolling(max_surge="100%", watch=10, min_ready=3).plan(NEW, target(3), deployed(3), EVERYTHING)

    assert ids(plan) == [*("start", "ready-1", "verify", "shift-all", "watch", "promote", "drain", "retire")]
    assert [step.min_ready_ms for step in plan.steps if isinstance(step, AwaitReady)] == [3_000]


def test_bounds_that_come_out_as_nothing_let_one_be_missing() -> None:
    """As in Kubernetes: 10 % of three is nothing, so one instance may be missing after all."""
    plan = Rolling(max_surge=0, max_unavailable="10%").plan(NEW, target(3), deployed(3), EVERYTHING)

    assert next(step.keep for step in plan.steps if isinstance(step, Drain)) == 2


@given(worlds(steady=True), bounds, bounds)
def test_the_bounds_hold(world: World, surge: int | str, missing: int | str) -> None:
    """Never more than replicas plus surge, never fewer ready than replicas less what may be missing."""
    if surge in (0, "0%") and missing in (0, "0%"):
        return
    strategy = Rolling(max_surge=surge, max_unavailable=missing)
    most = world.replicas + _number(surge, world.replicas, up=True)
    down = min(world.replicas, _number(missing, world.replicas, up=False))
    fewest = world.replicas - (down if down or most > world.replicas else 1)

    for step, paper in played(world.plan(strategy), world.deployment):
        if isinstance(step, Promote):
            break
        assert paper.total <= most
        assert paper.ready.total() >= fewest


@given(worlds(steady=True), bounds.filter(lambda bound: bound not in (0, "0%")), bounds)
def test_what_the_surge_allows_waits_for_the_promotion(
    world: World, surge: int | str, missing: int | str
) -> None:
    """Old instances that have room stay until the point of no return, so that going back is quick."""
    plan = world.plan(Rolling(max_surge=surge, max_unavailable=missing))
    waiting = [
        paper.ready[world.deployment.stable or ""]
        for step, paper in played(plan, world.deployment)
        if isinstance(step, Promote)
    ]

    assert waiting == [min(world.replicas, _number(surge, world.replicas, up=True))]


@given(worlds(steady=True), bounds.filter(lambda bound: bound not in (0, "0%")))
def test_traffic_follows_capacity(world: World, surge: int | str) -> None:
    """No shift gives a revision more than its part of the ready instances that stay."""
    plan = world.plan(Rolling(max_surge=surge))
    steps = list(played(plan, world.deployment))
    keeps = {step.id.removeprefix("drain-"): step.keep for step in plan.steps if isinstance(step, Drain)}
    ready = 0
    for step, paper in steps:
        if isinstance(step, AwaitReady):
            ready = paper.ready[world.release.revision]
        if isinstance(step, Shift) and step.split:
            old = keeps.get(step.id.removeprefix("shift-"), 0) or 0
            assert step.split.share(world.release.revision) * (ready + old) <= WHOLE * ready


@given(st.integers(1, 9), st.integers(1, 9), bounds, bounds)
def test_it_ends_whatever_the_numbers(
    replicas: int, standing: int, surge: int | str, missing: int | str
) -> None:
    """Rolling and scaling at once always ends with the wanted number, and the first batch is verified."""
    if surge in (0, "0%") and missing in (0, "0%"):
        return
    plan = Rolling(max_surge=surge, max_unavailable=missing).plan(
        NEW, target(replicas), deployed(standing), EVERYTHING
    )
    sizes = [s.replicas for s in plan.steps if isinstance(s, Start | Scale) and s.revision == NEW.revision]

    assert sizes[-1] == replicas
    assert sizes == sorted(sizes)
    assert ids(plan).index("verify") > ids(plan).index("start")


def test_what_nobody_routes_is_replaced_by_number() -> None:
    """Workers, and platforms that route by readiness, are replaced batch by batch without any shift."""
    worker, before = release("2", serves=False), release("1", serves=False)
    workers = Rolling().plan(worker, target(2, endpoint=None), deployed(2, old=before), EVERYTHING)
    platform = Rolling().plan(NEW, target(2), deployed(2), EVERYTHING - {Capability.WEIGHTS})

    for plan in (workers, platform):
        assert not [step for step in plan.steps if isinstance(step, Shift)]
        assert [step.keep for step in plan.steps if isinstance(step, Drain)] == [1, 0]


def test_a_stray_split_is_steadied_first() -> None:
    """Stable is ready before a shift gives it what another revision had."""
    there = deployed(2, warm=1, split=Split({OLD.revision: 5_000, NEW.revision: 5_000}))

    assert ids(Rolling().plan(NEW, target(2), there, EVERYTHING))[0] == "ready-stable"


@pytest.mark.parametrize("replicas", [1, 2, 3, 10])
def test_the_default_never_has_fewer_than_wanted(replicas: int) -> None:
    """By default nothing may be missing."""
    plan = Rolling().plan(NEW, target(replicas), deployed(replicas), EVERYTHING)

    assert all(paper.ready.total() >= replicas for _, paper in played(plan, deployed(replicas)))

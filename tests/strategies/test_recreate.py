from __future__ import annotations

from hypothesis import given

from fairdeploy.model import Deployment, Shift, Split
from fairdeploy.strategies import Recreate
from tests.strategies.worlds import (
    EVERYTHING,
    NEW,
    OLD,
    World,
    deployed,
    ids,
    played,
    recreates,
    release,
    target,
    worlds,
)


def test_the_old_stops_before_the_new_starts() -> None:
    """Traffic is closed, the old drained and stopped, the new started, verified and opened."""
    plan = Recreate(watch=5).plan(NEW, target(1), deployed(1), EVERYTHING)

    assert ids(plan) == [
        *("close", "drain", "stop", "start", "ready", "verify", "open", "watch", "promote", "retire")
    ]
    assert [step.split for step in plan.steps if isinstance(step, Shift)] == [
        None,
        Split.all_to(NEW.revision),
    ]
    assert plan.undo.exclusive
    assert any("there IS downtime" in note for note in plan.notes)


def test_the_way_back_has_time_to_start_the_old_again() -> None:
    """The deadline of going back covers the start of the old revision and its drains."""
    plan = Recreate(ready_deadline=900).plan(NEW, target(1), deployed(1), EVERYTHING)

    assert plan.undo.deadline_ms > 900_000


@given(worlds(steady=True), recreates)
def test_old_and_new_never_run_together(world: World, strategy: Recreate) -> None:
    """At no step are there instances of both."""
    for _, paper in played(world.plan(strategy), world.deployment):
        running = [r for r in (world.deployment.stable or "", world.release.revision) if paper.active[r]]
        assert len(running) <= 1


def test_a_silent_but_running_singleton_is_stopped_too() -> None:
    """Stable without traffic still holds its lock: it is stopped first all the same."""
    there = Deployment("shop/production", revisions=deployed(1).revisions, stable=OLD.revision)

    assert ids(Recreate().plan(NEW, target(1), there, EVERYTHING)).index("stop") == 2


def test_workers_need_no_router() -> None:
    """A worker is drained, stopped and started."""
    worker, before = release("2", serves=False), release("1", serves=False)
    plan = Recreate().plan(worker, target(1, endpoint=None), deployed(1, old=before), EVERYTHING)

    assert ids(plan) == ["drain", "stop", "start", "ready", "verify", "promote", "retire"]

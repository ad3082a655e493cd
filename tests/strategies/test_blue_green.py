from __future__ import annotations

from fairdeploy.model import (
    MATCH_STABLE,
    AwaitReady,
    Bake,
    Capability,
    HTTPCheck,
    Retire,
    Scale,
    Shift,
    Split,
    Start,
    Verify,
)
from fairdeploy.strategies import BlueGreen
from tests.strategies.worlds import EVERYTHING, NEW, OLD, deployed, ids, release, target


def test_preview_verify_switch_watch_promote() -> None:
    """The candidate is ready within 300 s, previewed and verified; then all traffic moves, is watched, promoted."""
    plan = BlueGreen(verify=[HTTPCheck("/")]).plan(NEW, target(4), deployed(4), EVERYTHING)

    assert ids(plan) == [
        *("start", "ready", "preview", "verify", "switch", "watch", "promote", "drain", "retire")
    ]
    preview, switch = [step for step in plan.steps if isinstance(step, Shift)]
    assert (preview.split, preview.headers[0].revision) == (Split.all_to(OLD.revision), NEW.revision)
    assert (switch.split, switch.headers) == (Split.all_to(NEW.revision), ())
    assert [s.deadline_ms for s in plan.steps if isinstance(s, AwaitReady)] == [300_000]
    assert [s.duration_ms for s in plan.steps if isinstance(s, Bake)] == [30_000]
    assert [s.keep_warm_ms for s in plan.steps if isinstance(s, Retire)] == [600_000]
    assert [(g.since, g.until) for g in plan.guards] == [("switch", "watch")]
    assert [s.checks for s in plan.steps if isinstance(s, Verify)] == [(HTTPCheck("/"),)]


def test_a_small_preview_grows_before_the_switch() -> None:
    """With fewer preview replicas the rest is started, and ready, after the verification."""
    plan = BlueGreen(preview_replicas=1).plan(NEW, target(4), deployed(4), EVERYTHING)

    assert ids(plan)[:7] == ["start", "ready", "preview", "verify", "scale", "ready-full", "switch"]
    assert [step.replicas for step in plan.steps if isinstance(step, Start | Scale)] == [1, 4]


def test_a_preview_larger_than_the_target_is_full_size() -> None:
    """More preview replicas than the target has are not started."""
    plan = BlueGreen(preview_replicas=9).plan(NEW, target(2), deployed(2), EVERYTHING)

    assert [step.replicas for step in plan.steps if isinstance(step, Start | Scale)] == [2]


def test_an_autoscaled_target_is_matched() -> None:
    """Without a number of replicas the candidate gets as many as stable has at that moment."""
    plan = BlueGreen().plan(NEW, target(None), deployed(5), EVERYTHING)

    assert [step.replicas for step in plan.steps if isinstance(step, Start)] == [MATCH_STABLE]


def test_no_preview_where_the_router_cannot() -> None:
    """The preview is left out where headers cannot be matched, or none is wanted."""
    without = BlueGreen().plan(NEW, target(), deployed(), EVERYTHING - {Capability.HEADERS})
    unwanted = BlueGreen(preview_header=None).plan(NEW, target(), deployed(), EVERYTHING)

    assert "preview" not in ids(without) + ids(unwanted)


def test_workers_are_watched_from_being_ready() -> None:
    """Workers have no switch; they are watched from when they are ready, old and new together."""
    worker, before = release("2", serves=False), release("1", serves=False)
    strategy = BlueGreen(analysis=[HTTPCheck("/")])
    plan = strategy.plan(worker, target(2, endpoint=None), deployed(2, old=before), EVERYTHING)

    assert ids(plan) == ["start", "ready", "verify", "watch", "promote", "drain", "retire"]
    assert [(g.since, g.until) for g in plan.guards] == [("ready", "watch")]

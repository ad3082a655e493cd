from __future__ import annotations

import pytest

from fairdeploy.errors import InvalidInput, UnsupportedCapability
from fairdeploy.model import Capability, Deployment, Drain, Retire, Scale, Split, Start
from fairdeploy.strategies import restart_plan, rollback_plan, scale_plan
from tests.strategies.worlds import EVERYTHING, NEW, OLD, deployed, ids, release, target


def test_scaling_up_waits_until_all_are_ready() -> None:
    """More instances are started and waited for; nothing is promoted."""
    plan = scale_plan(target(2), deployed(2), 5, release=OLD)

    assert ids(plan) == ["scale", "ready"]
    assert (plan.strategy, plan.point_of_no_return) == ("Scale", None)
    assert OLD.revision in plan.releases


def test_scaling_down_drains_first() -> None:
    """Fewer instances: the surplus is drained, then stopped."""
    plan = scale_plan(target(5), deployed(5), 2)

    assert [getattr(s, "keep", None) or getattr(s, "replicas", None) for s in plan.steps] == [2, 2]
    assert ids(plan) == ["drain", "scale"]


def test_scaling_to_what_is_there_is_nothing() -> None:
    """The present number needs no step."""
    assert not scale_plan(target(), deployed(3), 3).changes


def test_a_restart_never_has_fewer_instances() -> None:
    """Each batch starts new ones, waits, drains as many of the oldest and stops them."""
    plan = restart_plan(target(3), deployed(3), OLD, batch=2, min_ready=5)

    assert ids(plan) == [
        *("grow-1", "ready-1", "drain-1", "shrink-1"),
        *("grow-2", "ready-2", "drain-2", "shrink-2"),
    ]
    assert [s.replicas for s in plan.steps if isinstance(s, Scale)] == [5, 3, 4, 3]
    assert [s.keep for s in plan.steps if isinstance(s, Drain)] == [3, 3]
    assert plan.strategy == "Restart"


def test_a_restart_without_surge_stops_first() -> None:
    """Without room for more, the drained are replaced in place."""
    plan = restart_plan(target(2), deployed(2), OLD, surge=False)

    assert ids(plan) == ["drain-1", "renew-1", "ready-1", "drain-2", "renew-2", "ready-2"]
    assert [s.keep for s in plan.steps if isinstance(s, Drain)] == [1, 1]


def test_going_back_is_one_move() -> None:
    """The earlier revision is brought to full size, gets all traffic, is promoted; the later one is put away."""
    cold = rollback_plan(target(4), deployed(4), NEW, keep_warm=60)
    warm = rollback_plan(target(4), deployed(4, warm=4), NEW)

    assert ids(cold) == ids(warm) == ["start", "ready", "shift", "promote", "drain", "retire"]
    assert [s.replicas for s in cold.steps if isinstance(s, Start)] == [4]
    assert [s.keep_warm_ms for s in cold.steps if isinstance(s, Retire)] == [60_000]
    assert cold.base("shop/production").candidate == NEW.revision


def test_going_back_to_what_is_stable_puts_it_right() -> None:
    """If the release is stable already, only its traffic can be wrong."""
    skewed = deployed(4, warm=1, split=Split({OLD.revision: 9_000, NEW.revision: 1_000}))

    assert ids(rollback_plan(target(4), skewed, OLD)) == ["ready", "shift"]
    assert not rollback_plan(target(4), deployed(4), OLD).changes


def test_workers_go_back_without_traffic() -> None:
    """A worker has nothing to shift."""
    earlier, later = release("1", serves=False), release("2", serves=False)
    plan = rollback_plan(target(1, endpoint=None), deployed(1, old=later), earlier)

    assert ids(plan) == ["start", "ready", "promote", "drain", "retire"]


def test_verbs_need_something_deployed() -> None:
    """Nothing there, another release, or another target: refused before anything moves."""
    empty = Deployment("shop/production")
    with pytest.raises(InvalidInput, match="nothing to scale"):
        scale_plan(target(), empty, 2)
    with pytest.raises(InvalidInput, match="nothing to restart"):
        restart_plan(target(), empty, OLD)
    with pytest.raises(InvalidInput, match="deploy it instead"):
        restart_plan(target(), deployed(), NEW)
    with pytest.raises(InvalidInput, match="'else/production'"):
        scale_plan(target(), Deployment("else/production"), 2)
    with pytest.raises(InvalidInput, match="replicas must be from 1"):
        scale_plan(target(), deployed(), 0)


def test_going_back_is_refused_where_it_cannot_be_done() -> None:
    """A backend that holds one revision cannot bring the earlier one up beside it, unless its platform does it."""
    alone = EVERYTHING - {Capability.REVISIONS}
    with pytest.raises(UnsupportedCapability, match="'revisions'"):
        rollback_plan(target(), deployed(), NEW, capabilities=alone - {Capability.DELEGATED})
    assert rollback_plan(target(), deployed(), NEW, capabilities=alone).steps[0].kind == "delegate"

from __future__ import annotations

from dataclasses import replace

import pytest

from fairdeploy.errors import UnsupportedCapability
from fairdeploy.model import TLS, Capability, Deployment, Job, Mirror, Plan, RunJob, Shift
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling, needs, refuse_unsupported
from tests.strategies.worlds import EVERYTHING, NEW, deployed, release, target

PLAN = Canary().plan(NEW, target(), deployed(), EVERYTHING)


def test_each_strategy_needs_what_its_steps_do() -> None:
    """The needs are read off the steps, guards and target of a plan."""
    assert needs(PLAN) == {
        Capability.REVISIONS,
        Capability.REPLICAS,
        Capability.WEIGHTS,
        Capability.COUNTERS,
    }
    assert Capability.HEADERS in needs(BlueGreen().plan(NEW, target(), deployed(), EVERYTHING))
    assert Capability.REVISIONS not in needs(Recreate().plan(NEW, target(1), deployed(1), EVERYTHING))
    worker = release("2", serves=False)
    there = deployed(2, old=release("1", serves=False))
    assert needs(Rolling().plan(worker, target(2, endpoint=None), there, EVERYTHING)) == {
        Capability.REVISIONS,
        Capability.REPLICAS,
    }


def test_a_first_deploy_of_one_instance_needs_little() -> None:
    """One worker, nothing before it: no ability at all."""
    plan = Canary().plan(
        release("1", serves=False), target(1, endpoint=None), Deployment("shop/production"), frozenset()
    )

    assert needs(plan) == frozenset()


def _with(plan: Plan, step: RunJob | Shift) -> Plan:
    return replace(plan, steps=(step, *plan.steps))


@pytest.mark.parametrize(
    ("plan", "capability", "where"),
    [
        (PLAN, Capability.WEIGHTS, "step 'shift-5'"),
        (PLAN, Capability.REVISIONS, "step 'start'"),
        (PLAN, Capability.REPLICAS, "step 'scale-50'"),
        (PLAN, Capability.COUNTERS, "guard 'error-comparison'"),
        (BlueGreen().plan(NEW, target(), deployed(), EVERYTHING), Capability.HEADERS, "step 'preview'"),
        (
            Canary().plan(NEW, replace(target(), sticky=True), deployed(), EVERYTHING),
            Capability.STICKY,
            "target 'shop/production'",
        ),
        (
            Canary().plan(NEW, replace(target(), tls=TLS("/c.pem", "/k.pem")), deployed(), EVERYTHING),
            Capability.TLS,
            "target 'shop/production'",
        ),
        (
            _with(
                PLAN,
                RunJob(
                    "warm", target="shop/production", revision=NEW.revision, job=Job("warm", command=["w"])
                ),
            ),
            Capability.JOBS,
            "step 'warm'",
        ),
        (
            _with(
                PLAN,
                Shift("copy", target="shop/production", split=None, mirror=Mirror(NEW.revision, 100)),
            ),
            Capability.MIRROR,
            "step 'copy'",
        ),
    ],
)
def test_what_is_missing_is_named_with_a_remedy(plan: Plan, capability: Capability, where: str) -> None:
    """The refusal names capability, step and what to do."""
    with pytest.raises(UnsupportedCapability) as refusal:
        refuse_unsupported(plan, EVERYTHING - {capability})

    message = str(refusal.value)
    assert f"'{capability}'" in message
    assert where in message
    assert message.rpartition(": ")[2]


def test_what_is_there_is_accepted() -> None:
    """With every capability nothing is refused."""
    refuse_unsupported(PLAN, EVERYTHING)


def test_a_router_that_cannot_share_moves_everything_at_once() -> None:
    """Blue-green needs no shares between nothing and all; a canary does, and is refused before anything moves."""
    able = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.SWITCHES})
    plan = BlueGreen(analysis=(), preview_header=None).plan(NEW, target(), deployed(), able)
    refuse_unsupported(plan, able)
    shared = Canary(analysis=()).plan(NEW, target(), deployed(), able | {Capability.WEIGHTS})
    with pytest.raises(UnsupportedCapability, match="'weights'"):
        refuse_unsupported(shared, able)

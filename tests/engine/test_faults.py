"""Calls that fail, lie or take their time: the ends are the same as without."""

from __future__ import annotations

from functools import partial

import pytest

from fairdeploy.model import ErrorRate, Retried
from fairdeploy.protocols import Strategy
from fairdeploy.strategies import BlueGreen, Canary, Recreate, Rolling
from fairdeploy.testing.simulation import Behaviour, Demand, Fault, World
from tests.engine.simulated import ONE, SHOP, TWO, House, virtually

CALLS = (
    "backend.ensure",
    "backend.quiesce",
    "backend.remove",
    "backend.promote",
    "backend.observe",
    "router.apply",
    "router.observe",
    "router.counters",
)
READS = ("backend.observe", "router.observe", "router.counters")
FEW = (ErrorRate(max_percent=5, min_requests=10),)
STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=(50, 100), bake=6, keep_warm=0, analysis=FEW),
    "blue-green": BlueGreen(watch=6, keep_warm=0, analysis=FEW),
    "rolling": Rolling(max_surge=1, watch=6, analysis=FEW),
    "recreate": Recreate(watch=6, analysis=FEW),
}
MENU = [
    *(Fault(call=call, kind=kind) for call in CALLS for kind in ("before", "after")),
    *(Fault(call=call, kind="before", times=5) for call in CALLS),
    *(Fault(call=call, kind=kind, seconds=3) for call in CALLS for kind in ("delay", "late")),
    *(Fault(call=call, kind="throttle", seconds=3) for call in CALLS),
    *(Fault(call=call, kind="stale", times=times) for call in READS for times in (1, 4)),
    *(Fault(call=call, kind="partial") for call in READS),
    *(
        Fault(call=call, kind=kind, seconds=3)
        for call in CALLS
        if call not in READS
        for kind in ("twice", "lost")
    ),
]


def named(fault: Fault) -> str:
    """Return a fault's name for people."""
    return f"{fault.call}-{fault.kind}-x{fault.times}"


async def end_of(strategy: Strategy, fault: Fault, skip: int, *, bad: bool) -> str:
    """Let a fault happen at one call of a rollout; return what is wrong in the end."""
    behaviours = {TWO.revision: Behaviour(error_share=0.5)} if bad else {}
    house = House(World(behaviours, demand=Demand(rate=30)))
    await house.standing(ONE)
    plan = await house.deployer.plan(SHOP, TWO, strategy)
    async with house.deployer.run(plan) as rollout:
        house.world.faults.append(
            Fault(call=fault.call, kind=fault.kind, skip=skip, times=fault.times, seconds=fault.seconds)
        )
        result = await rollout.result()
    try:
        assert result.promoted is not bad
        house.serves_only(ONE if bad else TWO)
        assert house.world.violations == []
        downtime = isinstance(strategy, Recreate)
        # Where an instance dies for good, what was in flight on it is lost whatever a deployer does.
        known = {"lost"} | ({"no_member"} if downtime else set())
        assert [loss for loss in house.world.losses if loss.cause not in known] == []
    except AssertionError as error:
        return f"{named(fault)} after {skip}: {result}\n{error}"
    return ""


@pytest.mark.parametrize("skip", [1, 5])
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_fault_at_any_call_changes_no_end(name: str, skip: int, *, bad: bool) -> None:
    """Errors before and after the effect, in a row, late, delayed and stale: good is promoted, bad goes back."""
    wrong = [
        said for fault in MENU if (said := virtually(partial(end_of, STRATEGIES[name], fault, skip, bad=bad)))
    ]
    assert not wrong, f"{len(wrong)} of {len(MENU)}:\n" + "\n".join(wrong[:6])


def test_what_was_tried_again_is_in_the_journal() -> None:
    """An effect that failed once leaves one record that says how."""

    async def story() -> None:
        house = House(World(faults=[Fault(call="backend.ensure", times=3)]))
        await house.standing(ONE)
        (retried,) = await house.records(Retried)
        assert isinstance(retried, Retried)
        assert retried.step == "start"
        assert "simulated: backend.ensure failed before its effect" in retried.error

    virtually(story)

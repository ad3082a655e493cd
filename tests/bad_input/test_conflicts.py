"""What a deployer must refuse when somebody else acts, or the backend lacks something: in a simulated world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from fairdeploy import BlueGreen, Canary, Deployer, Plan, Release, Target, sequence
from fairdeploy.engine.decide import Failed, Situation, decide
from fairdeploy.engine.world import Seen
from fairdeploy.errors import (
    DeploymentError,
    FairdeployError,
    InvalidInput,
    LeaseHeld,
    StalePlan,
    UnsupportedCapability,
)
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import (
    TLS,
    AwaitReady,
    Base,
    Capability,
    Deployment,
    Instance,
    Retried,
    Revision,
    Traffic,
)
from fairdeploy.protocols import Strategy
from fairdeploy.testing.simulation import Behaviour, Fault, SimulatedBackend
from tests.bad_input.row import Row, rows
from tests.engine.simulated import ONE, SHOP, TWO, House, virtually

Deed: TypeAlias = Callable[[], Awaitable[object]]
Arranged: TypeAlias = Callable[[House], Awaitable[Deed]]
"""Brings a standing house into a situation, and returns what it must refuse then."""

SWITCH = BlueGreen(watch=1, keep_warm=0, preview_header=None)
SMOKED = Canary(smoke_header=("x-smoke", "1"))


def _lacking(capability: Capability, strategy: Strategy = SWITCH, target: Target = SHOP) -> Arranged:
    """Deploy where the backend or its router cannot do something."""

    async def arranged(house: House) -> Deed:
        backend = SimulatedBackend(house.world, journal=house.journal, without=frozenset({capability}))
        return lambda: Deployer(backend).deploy(target, TWO, strategy)

    return arranged


async def _open(house: House, *, seconds: float = 0.0) -> None:
    """Let another program begin a rollout and say nothing for some seconds."""
    plan = await house.deployer.plan(SHOP, TWO, SWITCH)
    await house.backend.journal.begin("another", plan, "ada@laptop:1", 15_000)
    house.world.clock.jump(seconds)  # type: ignore[attr-defined]  # a `VirtualClock`


async def _beside_another(house: House) -> Deed:
    await _open(house)
    return lambda: house.deployer.deploy(SHOP, TWO, SWITCH)


async def _after_a_dead_program(house: House) -> Deed:
    await _open(house, seconds=60)
    return lambda: house.deployer.deploy(SHOP, TWO, SWITCH)


async def _scale_beside_another(house: House) -> Deed:
    await _open(house)
    return lambda: house.deployer.scale(SHOP, 5)


async def _restart_beside_another(house: House) -> Deed:
    await _open(house)
    return lambda: house.deployer.restart(SHOP)


async def _run(deployer: Deployer, plan: Plan) -> None:
    async with deployer.run(plan):
        pass


async def _a_plan_for_what_was(house: House) -> Deed:
    plan = await house.deployer.plan(SHOP, Release("3", command=["serve", "{port}"]), SWITCH)
    await house.deployer.deploy(SHOP, TWO, SWITCH)
    return lambda: _run(house.deployer, plan)


async def _one_plan_for_two_journals(house: House) -> Deed:
    far = SimulatedBackend(house.world, journal=MemoryJournal(house.world.clock))
    deployer = Deployer({"near": house.backend, "far": far})
    plans = [
        await deployer.plan(SHOP, TWO, SWITCH, backend="near"),
        await deployer.plan(Target("worker"), TWO, SWITCH, backend="far"),
    ]
    return lambda: _run(deployer, sequence(*plans))


async def _no_backend_named(house: House) -> Deed:
    deployer = Deployer({"near": house.backend, "far": house.backend})
    return lambda: deployer.deploy(SHOP, TWO, SWITCH)


async def _a_plan_of_another_deployer(house: House) -> Deed:
    elsewhere = Deployer({"far": house.backend})
    plan = await elsewhere.plan(SHOP, TWO, SWITCH)
    return lambda: _run(house.deployer, plan)


REFUSED: list[Row[Arranged]] = [
    Row(
        "two rollouts at once",
        _beside_another,
        error=LeaseHeld,
        names="ada@laptop:1",
        says="wait for its end, abort it, or supersede it",
    ),
    Row(
        "a scaling beside a rollout",
        _scale_beside_another,
        error=LeaseHeld,
        names="shop/production",
        says="wait for its end, abort it, or supersede it",
    ),
    Row(
        "a restart beside a rollout",
        _restart_beside_another,
        error=LeaseHeld,
        names="another",
        says="wait for its end, abort it, or supersede it",
    ),
    Row(
        "a lease held by a dead program",
        _after_a_dead_program,
        error=LeaseHeld,
        names="another",
        says="bring it to its end with `await deployer.recover()`",
    ),
    Row("a stale plan", _a_plan_for_what_was, error=StalePlan, names=ONE.revision, says="plan again"),
    Row(
        "one plan over two journals",
        _one_plan_for_two_journals,
        error=InvalidInput,
        names=["far", "near"],
        says="open them with one journal",
    ),
    Row("no backend named", _no_backend_named, error=InvalidInput, names=["far", "near"], says="backend=..."),
    Row(
        "a plan for a backend of another deployer",
        _a_plan_of_another_deployer,
        error=InvalidInput,
        names="far",
        says="this Deployer has ['default']",
    ),
    Row(
        "shares where traffic cannot be split",
        _lacking(Capability.WEIGHTS, Canary()),
        error=UnsupportedCapability,
        names="weights",
        says="use Rolling() or Recreate()",
    ),
    Row(
        "smoke tests where headers are not seen",
        _lacking(Capability.HEADERS, SMOKED),
        error=UnsupportedCapability,
        names="headers",
        says="leave the header out",
    ),
    Row(
        "several instances where there is one",
        _lacking(Capability.REPLICAS),
        error=UnsupportedCapability,
        names="replicas",
        says="give the target replicas=1",
    ),
    Row(
        "two revisions where there is one",
        _lacking(Capability.REVISIONS),
        error=UnsupportedCapability,
        names="revisions",
        says="use Recreate()",
    ),
    Row(
        "sticky visitors where they are not known",
        _lacking(Capability.STICKY, target=replace(SHOP, sticky=True)),
        error=UnsupportedCapability,
        names="sticky",
        says="give the target sticky=False",
    ),
    Row(
        "a certificate where TLS does not end",
        _lacking(Capability.TLS, target=replace(SHOP, tls=TLS("/etc/cert.pem", "/etc/key.pem"))),
        error=UnsupportedCapability,
        names="tls",
        says="give the target tls=None",
    ),
]


@rows(REFUSED)
def test_what_cannot_be_done_now_is_refused_before_harm(row: Row[Arranged]) -> None:
    """The promised error names the thing and the remedy; not one effect was tried, not one record written."""

    async def story() -> None:
        house = House()
        await house.standing(ONE)
        deed = await row.attempt(house)
        effects, events = list(house.world.effects), await house.events()
        rollouts = await house.backend.journal.rollouts()

        with pytest.raises(FairdeployError) as caught:
            await deed()

        row.holds(caught.value)
        assert house.world.effects == effects
        assert await house.events() == events
        assert await house.backend.journal.rollouts() == rollouts
        house.unharmed()

    virtually(story)


@pytest.mark.parametrize(("restarts", "hopeless"), [(3, False), (4, True)])
def test_an_instance_that_exits_slowly_is_given_up_too(restarts: int, *, hopeless: bool) -> None:
    """One that its keeper takes for started each time is never seen between two starts; its restarts tell."""
    base = Base(SHOP, stable=ONE.revision, candidate=TWO.revision)
    plan = Plan("test", bases=(base,), releases={TWO.revision: TWO})
    instance = Instance("i", revision=TWO.revision, address="h:1", state="starting", restarts=restarts)
    revision = Revision(TWO.revision, replicas=1, instances=(instance,))
    seen = Seen(deployment=Deployment(SHOP.id, revisions=(revision,)), traffic=Traffic())
    step = AwaitReady("ready", target=SHOP.id, revision=TWO.revision)

    decision = decide(step, Situation(plan=plan, base=base, rule=None), seen)

    assert isinstance(decision, Failed) == hopeless


def test_a_deadline_tells_what_it_waited_for_last() -> None:
    """Neither what was seen a second before, nor a trouble that has long passed."""

    async def story() -> None:
        house = House()
        await house.standing(ONE)
        house.world.behaviours[TWO.revision] = Behaviour(ready=False)
        house.world.faults.append(Fault(call="router.observe", skip=8))
        with pytest.raises(DeploymentError) as caught:
            await house.deployer.deploy(SHOP, TWO, replace(SWITCH, ready_deadline=10))

        assert "'ready' was not done within 10 s (0 of 3 ready: does not answer yet)" in str(caught.value)
        assert await house.records(Retried)

    virtually(story)

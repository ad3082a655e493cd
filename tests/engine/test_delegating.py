"""What the platform rolls out by itself: watched, judged, taken back; also when the program dies at any boundary."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest

from fairdeploy import Delegated, Deployer, Outcome, Rolling
from fairdeploy.errors import DeploymentError, UnsupportedCapability
from fairdeploy.model import Capability, Delegate, Progressed
from fairdeploy.strategies import rollback_plan
from fairdeploy.testing.simulation import Behaviour, World
from tests.engine.simulated import (
    ONE,
    TWO,
    WORKER,
    House,
    Life,
    live,
    promotion_was_intended,
    recovered,
    virtually,
)

HOW = Delegated(watch=1, ready_deadline=3)


def test_the_platform_replaces_all_and_is_watched() -> None:
    """It says how far it has come; the release is promoted when it is alone there."""

    async def story() -> None:
        house = House()
        await house.standing(ONE, target=WORKER)
        result = await house.deployer.deploy(WORKER, TWO, HOW)
        assert result.outcome is Outcome.PROMOTED
        house.serves_only(TWO, WORKER)
        told = [each.message for each in await house.records(Progressed) if isinstance(each, Progressed)]
        assert told == ["0 of 2 ready"]

    virtually(story)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(ready=False), "did not end within 3 s"),
        (Behaviour(start_error="no such image", last_words=("bye",)), "no such image"),
    ],
)
def test_what_does_not_come_about_is_taken_back(behaviour: Behaviour, said: str) -> None:
    """By the platform, which remembers stable: the plan need not hold its release."""

    async def story() -> None:
        house = House(World({TWO.revision: behaviour}))
        await house.standing(ONE, target=WORKER)
        with pytest.raises(DeploymentError) as caught:
            await house.deployer.deploy(WORKER, TWO, HOW)
        assert caught.value.result is not None
        assert said in caught.value.result.reason
        assert caught.value.result.evidence == behaviour.last_words
        house.serves_only(ONE, WORKER)

    virtually(story)


def test_a_first_one_that_fails_leaves_nothing() -> None:
    """There is nothing to go back to."""

    async def story() -> None:
        house = House(World({ONE.revision: Behaviour(ready=False)}))
        with pytest.raises(DeploymentError):
            await house.deployer.deploy(WORKER, ONE, HOW)
        assert house.counts(WORKER) == {}

    virtually(story)


async def _dies(boundary: int, behaviour: Behaviour) -> bool:
    house = House(World({TWO.revision: behaviour}))
    await house.standing(ONE, target=WORKER)

    async def deed(deployer: Deployer) -> None:
        with suppress(DeploymentError):
            await deployer.deploy(WORKER, TWO, HOW)

    if not await live(house, Life(boundary), deed):
        return False
    if len(await house.backend.journal.rollouts()) == 1:
        return True  # it had died before the rollout began
    if (await house.backend.journal.rollouts())[-1].open:
        await recovered(house)
    house.serves_only(TWO if await promotion_was_intended(house) else ONE, WORKER)
    house.unharmed()
    return True


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(ready=False)])
def test_whoever_dies_is_recovered(behaviour: Behaviour) -> None:
    """At every boundary: the base where no promotion was intended, promoted where one was."""
    boundary = 1
    while virtually(partial(_dies, boundary, behaviour)):
        boundary += 1
    assert boundary > 15


def test_it_needs_a_platform_that_does_it() -> None:
    """Refused when the plan is made, with what to do instead; a way back is handed over where nothing else works."""

    async def story() -> None:
        house = House()
        await house.standing(ONE, target=WORKER)
        there = await house.backend.observe(WORKER)
        with pytest.raises(UnsupportedCapability, match="use Rolling"):
            Delegated().plan(TWO, WORKER, there, frozenset({Capability.REPLICAS}))
        with pytest.raises(UnsupportedCapability):
            Rolling().plan(TWO, WORKER, there, frozenset({Capability.DELEGATED}))
        back = rollback_plan(WORKER, there, TWO, capabilities=frozenset({Capability.DELEGATED}))
        (step,) = (each for each in back.steps if isinstance(each, Delegate))
        assert (step.replicas, step.max_surge, step.max_unavailable) == (2, 2, 0)

    virtually(story)

"""Several programs want one target at once, and one of them is stopped in the middle."""

from __future__ import annotations

import anyio
import pytest

from fairdeploy.model import TookOver
from fairdeploy.testing.crash import staged
from fairdeploy.testing.crash.local import local_house
from fairdeploy.testing.crash.nursery import Mortal
from fairdeploy.testing.crash.verdict import Before, complaints

pytestmark = [pytest.mark.anyio, pytest.mark.load, pytest.mark.proof, pytest.mark.timeout(400)]

WITHIN = 60.0


@pytest.mark.parametrize("programs", [2, 8])
async def test_of_several_programs_exactly_one_acts(programs: int) -> None:
    """One begins and the others are refused; it is stopped after its switch, and of as many that recover one takes over."""
    async with local_house(replicas=1) as housing, staged(housing) as stage:
        before = await Before.of(stage.backend, stage.house.target)
        racers = [
            await stage.nursery.begin(
                "blue-green", stage.version(), stop_at="after route switch #1", lease=1.0
            )
            for _ in range(programs)
        ]
        places = {}

        async def race(racer: Mortal) -> None:
            places[racer.pid] = await racer.reached(WITHIN)

        async with anyio.create_task_group() as tasks:
            for racer in racers:
                tasks.start_soon(race, racer)
        (winner,) = [racer for racer in racers if places[racer.pid]]
        refused = [racer.said for racer in racers if racer is not winner]
        assert all(said.startswith(("LeaseHeld", "StalePlan")) for said in refused), refused

        rescuers = [await stage.nursery.begin("recover", "") for _ in range(programs)]
        for rescuer in rescuers:
            assert await rescuer.ended(WITHIN) == 0
        await winner.wake()
        assert await winner.ended(WITHIN) == 0

        assert await complaints(stage.backend, stage.house, before, "") == []
        (rollout,) = {i.id for i in await stage.deployer.history(stage.house.target)} - before.rollouts
        events = await stage.backend.journal.read(rollout)
        assert sum(isinstance(event.record, TookOver) for event in events) == 1
    assert stage.load is not None
    assert stage.load.report().lost == 0, str(stage.load.report())

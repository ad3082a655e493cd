from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.engine import chart_of, charts
from fairdeploy.errors import InvalidInput
from fairdeploy.model import ErrorComparison
from fairdeploy.strategies import Canary
from fairdeploy.testing.simulation import World
from tests.engine.simulated import BUSY, ONE, SHOP, TWO, House, virtually

if TYPE_CHECKING:
    from fairdeploy.analysis.chart import CanaryChart

SLOWLY = Canary(steps=[20, 50, 100], bake=30, analysis=[ErrorComparison()])


def test_a_rollout_is_drawn_while_it_runs_and_afterwards() -> None:
    """Weights, counts of both revisions and verdicts are in the live chart; the journal's own has them too."""

    async def story() -> tuple[list[CanaryChart], CanaryChart]:
        house = House(World(demand=BUSY))
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, SLOWLY)
        async with house.deployer.run(plan) as rollout:
            drawn = [chart async for chart in charts(rollout, house.backend, clock=house.world.clock)]
            assert (await rollout.result()).promoted
        events = await house.backend.journal.read(rollout.id)
        return drawn, chart_of(plan, events)

    drawn, past = virtually(story)
    last = drawn[-1]
    assert {20.0, 50.0, 100.0} <= {moment.percent for moment in last.moments}
    assert last.moments[-1].candidate.requests > 100
    assert last.moments[-1].baseline.requests > 100
    assert last.marks[-1][1] == "promoted"
    assert past.marks == last.marks
    assert past.moments
    assert past.moments[-1].candidate.requests > 0
    assert (last.candidate, last.baseline) == (TWO.revision, ONE.revision)


def test_a_backend_without_a_router_has_no_live_chart() -> None:
    """There is nothing that counts."""

    async def story() -> None:
        house = House()
        await house.standing(ONE)
        plan = await house.deployer.plan(SHOP, TWO, SLOWLY)
        async with house.deployer.run(plan) as rollout:
            with pytest.raises(InvalidInput, match="at least 50"):
                charts(rollout, house.backend, every=0.01)
            with pytest.raises(InvalidInput, match="no base for 'other/x'"):
                charts(rollout, house.backend, target="other/x")
            await rollout.abort()

    virtually(story)

"""Every strategy on a real Docker Engine, while requests are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy import BlueGreen, Canary, Rolling
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection, post, slow
from tests.compose.stage import application, stage

if TYPE_CHECKING:
    from fairdeploy.protocols import Strategy
    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.load, pytest.mark.timeout(800)]

STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=[25, 100], bake=0.5, keep_warm=0, analysis=()),
    "blue_green": BlueGreen(watch=0.5, keep_warm=0, analysis=()),
    "rolling": Rolling(max_surge=1, analysis=()),
}
LATE = 60.0
"""Seconds after which an answer counts as lost: a busy machine is slow."""
MIX = (
    keep_alive(weight=70, timeout=LATE),
    new_connection(weight=10, timeout=LATE),
    post(weight=10, timeout=LATE),
    slow("/slow?seconds=1", weight=10, timeout=LATE),
)


@pytest.mark.parametrize(
    "light", [pytest.param(False, id="envoy"), pytest.param(True, id="haproxy", marks=pytest.mark.nightly)]
)
async def test_no_strategy_loses_a_request(made: Project, *, light: bool) -> None:
    """Release follows release, by each strategy; what is beside the service stays as it is."""
    made.compose("up", "-d", "beside")
    (beside,) = made.containers()
    async with stage(made, light=light) as on:
        await on.deployer.deploy(on.target, application("v0"), BlueGreen(watch=0, keep_warm=0, analysis=()))
        async with load_process(on.url, mix=MIX, rate=150, settings=LoadSettings(stop_within=LATE)) as load:
            for name, strategy in STRATEGIES.items():
                result = await on.deployer.deploy(on.target, application(f"to-{name}"), strategy)
                assert result.promoted
        report = load.report()
        seen = await on.backend.observe(on.target)
    assert report.lost == 0, str(report)
    assert report.requests > 300
    assert [len(each.instances) for each in seen.revisions] == [2]
    assert len(made.containers()) == 3
    assert beside in made.containers()
    assert made.shown(beside)["RestartCount"] == 0

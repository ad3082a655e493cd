"""No request is lost to routing or shutdown, whatever the strategy; and the proof can fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from fairdeploy import BlueGreen, Canary, Rolling
from fairdeploy.model import Drain, Plan
from fairdeploy.protocols import Strategy
from fairdeploy.testing.load import keep_alive, post, slow
from tests.proof.stage import Stage, application, lost, stage, under_load

pytestmark = [pytest.mark.anyio, pytest.mark.load, pytest.mark.proof, pytest.mark.timeout(600)]

REQUESTS = int(os.environ.get("FAIRDEPLOY_PROOF_REQUESTS", "100000"))
RATE = 900.0

STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=[10, 50, 100], bake=2, keep_warm=0),
    "blue_green": BlueGreen(watch=3, keep_warm=0),
    "rolling": Rolling(max_surge=1),
}


async def releases_until_the_load_ends(on: Stage, strategy: Strategy, done: Callable[[], bool]) -> int:
    """Deploy one release after the other while requests are sent; return how many."""
    for number in count(1):
        await on.deployer.deploy(on.target, application(f"v{number}"), strategy)
        if done():
            return number
    raise AssertionError


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
async def test_no_request_is_lost(
    strategy: Strategy, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Of a hundred thousand requests of every kind, none is lost while release follows release."""
    async with stage(tmp_path / "deployments") as on:
        await on.deployer.deploy(on.target, application("v0"), strategy)
        async with under_load(on.url, rate=RATE, requests=REQUESTS) as load:
            releases = await releases_until_the_load_ends(
                on, strategy, lambda: load.snapshot().requests >= REQUESTS * 0.97
            )
            await load.wait()
        report = load.report()
        counters = await on.backend.router.counters(on.target) if on.backend.router else {}
        retries = sum(counted.retries for counted in counters.values())
        record_property("proof", f"{releases} releases; router retries on the last: {retries}\n{report}")
        assert report.lost == 0, lost(report)
        assert report.app_errors == 0
        assert report.requests >= REQUESTS * 0.99
        assert releases >= 2


def without_drain(plan: Plan) -> Plan:
    """Return the plan without its drains."""
    return replace(plan, steps=tuple(step for step in plan.steps if not isinstance(step, Drain)))


@pytest.mark.parametrize("run", ["drained", "control"])
async def test_the_drain_is_what_saves_rude_applications(run: str, tmp_path: Path) -> None:
    """An application that exits at once when told to stop loses nothing; without the drain it does."""
    mix = (keep_alive(weight=60), post(weight=10), slow("/slow?seconds=2", weight=30))
    async with stage(tmp_path / "deployments") as on:
        first = application("v0", app="rude")
        await on.deployer.deploy(on.target, first, BlueGreen(watch=1, keep_warm=0))
        async with under_load(on.url, rate=200, requests=100_000, mix=mix) as load:
            plan = await on.deployer.plan(
                on.target, application("v1", app="rude"), BlueGreen(watch=1, keep_warm=0)
            )
            async with on.deployer.run(plan if run == "drained" else without_drain(plan)) as rollout:
                result = await rollout.result()
            assert result.promoted, str(result)
        report = load.report()
        if run == "drained":
            assert report.lost == 0, lost(report)
        else:
            assert report.lost > 0, "a control run that loses nothing proves nothing"

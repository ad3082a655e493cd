"""The deploying program is killed with SIGKILL in the middle; the next one brings the target to one of its two ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proof.stage import application, kill_at, lost, stage, under_load

pytestmark = [pytest.mark.anyio, pytest.mark.load, pytest.mark.proof, pytest.mark.timeout(400)]

PLACES = [
    ("canary", "start intended", "v0"),
    ("canary", "shift-25 intended", "v0"),
    ("canary", "bake-25 intended", "v0"),
    ("blue_green", "switch settled", "v0"),
    ("rolling", "drain-1 intended", "v0"),
    ("canary", "promote intended", "v1"),
    ("blue_green", "drain intended", "v1"),
]


@pytest.mark.parametrize(("strategy", "place", "serving"), PLACES)
async def test_the_next_program_recovers(strategy: str, place: str, serving: str, tmp_path: Path) -> None:
    """After a SIGKILL and `recover`, the revision that the journal says serves alone, and no request was lost."""
    async with stage(tmp_path / "deployments") as on:
        from tests.proof.deployment import STRATEGIES  # noqa: PLC0415 -- a program first, a module second

        await on.deployer.deploy(on.target, application("v0"), STRATEGIES[strategy])
        async with under_load(on.url, rate=200, requests=100_000) as load:
            await kill_at(on, strategy, place)
            results = await on.deployer.recover()
        assert len(results) == 1
        status = await on.deployer.status(on.target)
        assert str(status.deployment.stable).startswith(f"{serving}-")
        assert status.deployment.split is not None
        assert status.deployment.split.share(str(status.deployment.stable)) == 10_000
        assert await on.leftovers() == set()
        assert status.rollout is None
        report = load.report()
        assert report.lost == 0, lost(report)
        assert await on.deployer.recover() == ()

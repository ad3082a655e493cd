"""`HealthChecker` on what is really deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy import HTTPCheck, Rolling
from fairdeploy.health import HealthChecker
from fairdeploy.model import TCPCheck, all_of
from tests.proof.stage import application, stage

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import Asked

pytestmark = [pytest.mark.anyio, pytest.mark.local]


async def test_every_instance_of_stable_is_asked(tmp_path: Path) -> None:
    """Two instances, each by its own address; when one of them is sick, it is named."""
    async with stage(tmp_path / "deployments") as on:
        await on.deployer.deploy(on.target, application("v1"), Rolling())
        checks: dict[str, Asked] = {
            "api": HTTPCheck("/health", "/"),
            "both": all_of(HTTPCheck("/health"), TCPCheck()),
        }
        healthy = HealthChecker(checks, target=on.target, backend=on.backend)
        sick = HealthChecker({"api": HTTPCheck("/nowhere")}, target=on.target, backend=on.backend)
        good, bad = await healthy.check_deployment_health(), await sick.check_deployment_health()
        seen = await on.backend.observe(on.target)
        instances = [i.id for i in (seen.revision(str(seen.stable)) or seen.revisions[0]).instances]
    assert good.healthy, str(good)
    assert not bad.healthy
    assert len(instances) == 2
    assert any(instance in bad.checks["api"].message for instance in instances)

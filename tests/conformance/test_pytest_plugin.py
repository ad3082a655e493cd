"""The fixtures that tests of somebody else would use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from fairdeploy.model import Release, Split
from fairdeploy.strategies import BlueGreen

if TYPE_CHECKING:
    from fairdeploy.engine import Deployer
    from fairdeploy.model import Target
    from fairdeploy.testing.audit import Audit
    from fairdeploy.testing.simulation import World

pytest_plugins = ["fairdeploy.testing.pytest_plugin"]

ONE, TWO = (Release(version, command=["serve", "{port}"]) for version in "12")


def test_a_deployment_is_simulated_and_audited(
    simulated_deployer: Deployer, simulated_world: World, simulated_audit: Audit, target: Target
) -> None:
    """Two releases in virtual time, and nothing to complain of; what is broken afterwards is named."""

    async def story() -> None:
        for release in (ONE, TWO):
            await simulated_deployer.deploy(target, release, BlueGreen(watch=600, keep_warm=0))
        place = simulated_world.place(target.id)
        assert place.written is not None
        assert place.written.split == Split.all_to(TWO.revision)
        assert simulated_audit.complaints == []
        assert "router.apply" in simulated_audit.trace(200)
        simulated_world.stop(place, place.running(TWO.revision)[0])

    trio.run(story, clock=MockClock(autojump_threshold=0))
    (complaint,) = simulated_audit.complaints
    assert complaint.startswith("I2: 'shop-2' was stopped while the router sends it traffic")


@pytest.mark.parametrize("number", range(3))
def test_a_free_port_is_free(target: Target, number: int) -> None:
    """Each target has one of its own."""
    assert 1_024 < target.address[1] < 65_536

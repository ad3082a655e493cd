"""The page about Temporal runs, on a real server."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from fairdeploy import Deployer, Target
from fairdeploy.journal import SystemClock
from fairdeploy.testing.simulation import SimulatedBackend, World
from tests.docs.test_guide import run
from tests.temporal.server import temporal_server

__all__ = ["temporal_server"]


@pytest.mark.anyio
@pytest.mark.temporal
async def test_the_page_runs(temporal_server: str) -> None:
    """A rollout is started and promoted, another one is aborted by a signal, as it says."""
    names = {
        "client": await Client.connect(temporal_server),
        "deployer": Deployer(SimulatedBackend(World(clock=SystemClock())), validate=False),
        "target": Target("shop", replicas=1, endpoint="127.0.0.1:8080"),
    }
    await run("docs/temporal.md", names)

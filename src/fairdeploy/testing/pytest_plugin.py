"""Fixtures for tests that deploy: opt in, once, beside your other fixtures.

``pytest_plugins = ["fairdeploy.testing.pytest_plugin"]``
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairdeploy.engine import Deployer
from fairdeploy.model import Target
from fairdeploy.testing import _ports
from fairdeploy.testing.audit import Audit
from fairdeploy.testing.simulation import SimulatedBackend, World

__all__ = [
    "free_port",
    "simulated_audit",
    "simulated_backend",
    "simulated_deployer",
    "simulated_world",
    "target",
]


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give ports of the loopback address that nobody listens on now."""
    return _ports.free_port


@pytest.fixture
def target(free_port: Callable[[], int]) -> Target:
    """Give a target on a free port of the loopback address."""
    return Target("shop", endpoint=f"127.0.0.1:{free_port()}")


@pytest.fixture
def simulated_world() -> World:
    """Give a world in memory where all goes well, until the test says otherwise."""
    return World()


@pytest.fixture
def simulated_audit(simulated_world: World) -> Audit:
    """Give what watches the world and the journal, whoever acts."""
    return Audit(simulated_world)


@pytest.fixture
def simulated_backend(simulated_world: World, simulated_audit: Audit) -> SimulatedBackend:
    """Give a backend on the world, its journal watched."""
    plain = SimulatedBackend(simulated_world)
    return SimulatedBackend(simulated_world, journal=simulated_audit.watched(plain.journal))


@pytest.fixture
def simulated_deployer(simulated_backend: SimulatedBackend) -> Deployer:
    """Give a deployer on the backend, in the world's time."""
    return Deployer(simulated_backend, clock=simulated_backend.world.clock)

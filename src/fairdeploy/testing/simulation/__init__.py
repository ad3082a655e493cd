"""A backend and a router in memory, in virtual time, that can be told to fail.

Give a `World` to a `SimulatedBackend`; a second backend on the same world is what another
program, or the next one after a crash, would see.
"""

from __future__ import annotations

from fairdeploy.testing.simulation.backend import SimulatedBackend
from fairdeploy.testing.simulation.behaviour import Behaviour, Demand
from fairdeploy.testing.simulation.database import SimulatedDatabase, SimulatedMigration, SimulatedStore
from fairdeploy.testing.simulation.effect import Effect, Loss
from fairdeploy.testing.simulation.fault import Fault
from fairdeploy.testing.simulation.invariants import check_invariants
from fairdeploy.testing.simulation.router import SimulatedRouter
from fairdeploy.testing.simulation.world import World

__all__ = [
    "Behaviour",
    "Demand",
    "Effect",
    "Fault",
    "Loss",
    "SimulatedBackend",
    "SimulatedDatabase",
    "SimulatedMigration",
    "SimulatedRouter",
    "SimulatedStore",
    "World",
    "check_invariants",
]

"""What must never have happened in a simulated world."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairdeploy.testing.simulation.backend import SimulatedBackend

__all__ = ["check_invariants"]


def check_invariants(backend: SimulatedBackend) -> list[str]:
    """Return every violation so far, oldest first; empty if there is none.

    I1: a revision got weight while the router did not see instances ready for its share of
    the target's replicas; those lost within the 50 ms that a look serves do not count. I2: an instance was stopped while it had requests in flight, or
    while the router sent it traffic. Both are looked at as effects happen, so that what is
    mended afterwards is found too.
    """
    return list(backend.world.violations)

"""The guard: what brings traffic back when the deploying program has died.

``python -m fairdeploy.guard URI`` reopens a backend from its URI, recovers every rollout whose holder
is dead or whose lease has expired, ends warm windows and approvals that are over, and exits when
nothing is left to do. `LocalBackend` keeps one by itself.
"""

from __future__ import annotations

from fairdeploy.guard.bindings import Bindings, load_bindings
from fairdeploy.guard.door import Door
from fairdeploy.guard.loop import recover_until_idle
from fairdeploy.guard.opening import Opener, open_backend

__all__ = ["Bindings", "Door", "Opener", "load_bindings", "open_backend", "recover_until_idle"]

"""What adapters ask of the operating system: a program run to its end, who holds a lock, and whether he stands still."""

from __future__ import annotations

from fairdeploy.system.lockers import Lock, Locker, continued, flocked, locker
from fairdeploy.system.programs import Ran, run_to_end

__all__ = ["Lock", "Locker", "Ran", "continued", "flocked", "locker", "run_to_end"]

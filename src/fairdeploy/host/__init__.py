"""One machine: small files, locks, programs that are kept running, probes, the guard. What backends on it share."""

from __future__ import annotations

from fairdeploy.host.keeper import open_keeper
from fairdeploy.host.supervisor import SupervisorKeeper
from fairdeploy.host.systemd import SystemdKeeper

__all__ = ["SupervisorKeeper", "SystemdKeeper", "open_keeper"]

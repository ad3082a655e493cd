"""Replicas as real processes on this machine, behind a real router, kept running by a keeper."""

from __future__ import annotations

from fairdeploy.backends.local.backend import LocalBackend
from fairdeploy.host.keeper import open_keeper
from fairdeploy.host.supervisor import SupervisorKeeper
from fairdeploy.host.systemd import SystemdKeeper

__all__ = ["LocalBackend", "SupervisorKeeper", "SystemdKeeper", "open_keeper"]

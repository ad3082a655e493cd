"""Replicas as real processes on this machine, behind a real router, kept running by a keeper."""

from __future__ import annotations

from fairdeploy.backends.local.backend import LocalBackend
from fairdeploy.backends.local.keeper import open_keeper
from fairdeploy.backends.local.supervisor import SupervisorKeeper
from fairdeploy.backends.local.systemd import SystemdKeeper

__all__ = ["LocalBackend", "SupervisorKeeper", "SystemdKeeper", "open_keeper"]

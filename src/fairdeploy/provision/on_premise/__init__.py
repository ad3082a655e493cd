"""One server of one's own, from a bare Docker Engine to a running application: looked at first, then step by step."""

from __future__ import annotations

from fairdeploy.provision.on_premise.report import ProvisionReport, StepReport
from fairdeploy.provision.on_premise.server import OnPremise
from fairdeploy.provision.on_premise.wanted import Admin, BackupSchedule, Migrations, Monitoring, Server

__all__ = [
    "Admin",
    "BackupSchedule",
    "Migrations",
    "Monitoring",
    "OnPremise",
    "ProvisionReport",
    "Server",
    "StepReport",
]

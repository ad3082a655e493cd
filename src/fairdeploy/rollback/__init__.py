"""Getting back: the database, rung by rung, and with it the application."""

from __future__ import annotations

from fairdeploy.rollback.databases import DatabaseRollback
from fairdeploy.rollback.emergency import Emergency
from fairdeploy.rollback.ladder import Rung, Way
from fairdeploy.rollback.managed import ManagedDatabase, OnAhead
from fairdeploy.rollback.manager import RollbackManager
from fairdeploy.rollback.report import Deed, RollbackReport
from fairdeploy.rollback.watching import Watch

__all__ = [
    "DatabaseRollback",
    "Deed",
    "Emergency",
    "ManagedDatabase",
    "OnAhead",
    "RollbackManager",
    "RollbackReport",
    "Rung",
    "Watch",
    "Way",
]

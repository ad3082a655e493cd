"""How a release gets to serve: pure functions from what is wanted and what is there to a plan."""

from __future__ import annotations

from fairdeploy.strategies.approved import Approved
from fairdeploy.strategies.blue_green import BlueGreen
from fairdeploy.strategies.canary import Canary
from fairdeploy.strategies.capabilities import needs, refuse_unsupported
from fairdeploy.strategies.checks import with_checks
from fairdeploy.strategies.contracting import contract_plan
from fairdeploy.strategies.databases import database_plan
from fairdeploy.strategies.delegated import Delegated
from fairdeploy.strategies.migrated import Migrated
from fairdeploy.strategies.pinned import Pinned
from fairdeploy.strategies.recommending import StrategyAdvice, recommend_strategy
from fairdeploy.strategies.recreate import Recreate
from fairdeploy.strategies.rolling import Rolling
from fairdeploy.strategies.sequencing import sequence
from fairdeploy.strategies.verbs import restart_plan, rollback_plan, scale_plan
from fairdeploy.strategies.windowed import Windowed

__all__ = [
    "Approved",
    "BlueGreen",
    "Canary",
    "Delegated",
    "Migrated",
    "Pinned",
    "Recreate",
    "Rolling",
    "StrategyAdvice",
    "Windowed",
    "contract_plan",
    "database_plan",
    "needs",
    "recommend_strategy",
    "refuse_unsupported",
    "restart_plan",
    "rollback_plan",
    "scale_plan",
    "sequence",
    "with_checks",
]

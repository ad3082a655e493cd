"""Performs what strategies decide: plans, runs, watches, goes back, recovers."""

from __future__ import annotations

from fairdeploy.engine.charting import Charts, chart_of, charts
from fairdeploy.engine.deployer import Deployer
from fairdeploy.engine.retention import prune
from fairdeploy.engine.rollout import Events, Rollout
from fairdeploy.engine.status import Status
from fairdeploy.engine.traffic import with_measured_power

__all__ = [
    "Charts",
    "Deployer",
    "Events",
    "Rollout",
    "Status",
    "chart_of",
    "charts",
    "prune",
    "with_measured_power",
]

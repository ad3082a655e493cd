"""What others implement. The contract of each is in its docstrings."""

from __future__ import annotations

from fairdeploy.protocols.backend import Backend, JobState
from fairdeploy.protocols.clock import Clock
from fairdeploy.protocols.health import HealthCheck, Subject
from fairdeploy.protocols.journal import Archive, Journal, RolloutInfo
from fairdeploy.protocols.keeper import Keeper, Program, ProgramState
from fairdeploy.protocols.knowledge import KnowledgeOrigin, KnowledgeSource, Passage
from fairdeploy.protocols.lease import Fence, Lease
from fairdeploy.protocols.metrics import MetricSource
from fairdeploy.protocols.migrator import Migrator
from fairdeploy.protocols.preflight import Preflight
from fairdeploy.protocols.router import TrafficRouter
from fairdeploy.protocols.strategy import Strategy
from fairdeploy.protocols.validation import Scene, Validated, Validation

__all__ = [
    "Archive",
    "Backend",
    "Clock",
    "Fence",
    "HealthCheck",
    "JobState",
    "Journal",
    "Keeper",
    "KnowledgeOrigin",
    "KnowledgeSource",
    "Lease",
    "MetricSource",
    "Migrator",
    "Passage",
    "Preflight",
    "Program",
    "ProgramState",
    "RolloutInfo",
    "Scene",
    "Strategy",
    "Subject",
    "TrafficRouter",
    "Validated",
    "Validation",
]

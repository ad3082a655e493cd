"""What others implement. The contract of each is in its docstrings."""

from __future__ import annotations

from fairdeploy.protocols.backend import Backend, JobState
from fairdeploy.protocols.clock import Clock
from fairdeploy.protocols.controller import Progress, RolloutController
from fairdeploy.protocols.database import Database, Snapshotted
from fairdeploy.protocols.events import EventSink
from fairdeploy.protocols.health import HealthCheck, Subject
from fairdeploy.protocols.journal import Archive, Findable, Journal, RolloutInfo
from fairdeploy.protocols.keeper import Keeper, Program, ProgramState
from fairdeploy.protocols.knowledge import KnowledgeOrigin, KnowledgeSource, Passage
from fairdeploy.protocols.lease import Baton, Fence, Lease
from fairdeploy.protocols.metrics import MetricSource
from fairdeploy.protocols.migrator import Migrator
from fairdeploy.protocols.preflight import Preflight
from fairdeploy.protocols.router import TrafficRouter
from fairdeploy.protocols.snapshots import PointInTime, Snapshot, SnapshotProvider
from fairdeploy.protocols.strategy import Strategy
from fairdeploy.protocols.validation import Scene, Validated, Validation

__all__ = [
    "Archive",
    "Backend",
    "Baton",
    "Clock",
    "Database",
    "EventSink",
    "Fence",
    "Findable",
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
    "PointInTime",
    "Preflight",
    "Program",
    "ProgramState",
    "Progress",
    "RolloutController",
    "RolloutInfo",
    "Scene",
    "Snapshot",
    "SnapshotProvider",
    "Snapshotted",
    "Strategy",
    "Subject",
    "TrafficRouter",
    "Validated",
    "Validation",
]

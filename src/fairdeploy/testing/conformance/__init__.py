"""Standard tests for what others implement: derive from one, give a fixture, and run pytest.

`BackendConformance`, `ValidatedConformance`, `TrafficRouterConformance`, `JournalConformance`,
`HealthCheckConformance`, `MetricSourceConformance`, `EventSinkConformance` and `SnapshotProviderConformance` hold a test for each sentence of the
contracts in `fairdeploy.protocols`. They need pytest:
``pip install "fairdeploy[conformance]"``.
"""

from __future__ import annotations

from fairdeploy.testing.conformance.backend import BackendConformance
from fairdeploy.testing.conformance.events import EventSinkConformance, Receiver
from fairdeploy.testing.conformance.health import Condition, HealthCheckConformance, Subjects
from fairdeploy.testing.conformance.journal import JournalConformance
from fairdeploy.testing.conformance.metrics import Counted, MetricSourceConformance
from fairdeploy.testing.conformance.router import TrafficRouterConformance
from fairdeploy.testing.conformance.snapshots import SnapshotProviderConformance, SnapshotRows
from fairdeploy.testing.conformance.suite import Conformance, Opened, expect
from fairdeploy.testing.conformance.validated import ValidatedConformance
from fairdeploy.testing.conformance.visitors import LoopbackVisitors, Visitors, loopback

__all__ = [
    "BackendConformance",
    "Condition",
    "Conformance",
    "Counted",
    "EventSinkConformance",
    "HealthCheckConformance",
    "JournalConformance",
    "LoopbackVisitors",
    "MetricSourceConformance",
    "Opened",
    "Receiver",
    "SnapshotProviderConformance",
    "SnapshotRows",
    "Subjects",
    "TrafficRouterConformance",
    "ValidatedConformance",
    "Visitors",
    "expect",
    "loopback",
]

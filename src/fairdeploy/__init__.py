"""Choose how to host, deploy with zero downtime, and get back safely.

The names here are the public ones; adapters are imported from their own rooms, such as
``fairdeploy.backends.local``, and need their extra.
"""

from __future__ import annotations

import logging

from fairdeploy.engine import Deployer, Events, Rollout, Status
from fairdeploy.errors import (
    DeploymentError,
    FairdeployError,
    InvalidInput,
    LeaseHeld,
    RollbackError,
    StalePlan,
)
from fairdeploy.model import (
    TLS,
    Action,
    Capability,
    CheckResult,
    CommandCheck,
    CommandProbe,
    Deployment,
    ErrorRate,
    Event,
    HealthStatus,
    HTTPCheck,
    HTTPProbe,
    Job,
    Latency,
    Outcome,
    Plan,
    Probes,
    Release,
    RolloutResult,
    SecretRef,
    Split,
    Target,
    TCPCheck,
    TCPProbe,
    Verdict,
    Window,
)
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling, Windowed, sequence

__all__ = [
    "TLS",
    "Action",
    "Approved",
    "BlueGreen",
    "Canary",
    "Capability",
    "CheckResult",
    "CommandCheck",
    "CommandProbe",
    "Deployer",
    "Deployment",
    "DeploymentError",
    "ErrorRate",
    "Event",
    "Events",
    "FairdeployError",
    "HTTPCheck",
    "HTTPProbe",
    "HealthStatus",
    "InvalidInput",
    "Job",
    "Latency",
    "LeaseHeld",
    "Outcome",
    "Plan",
    "Probes",
    "Recreate",
    "Release",
    "RollbackError",
    "Rolling",
    "Rollout",
    "RolloutResult",
    "SecretRef",
    "Split",
    "StalePlan",
    "Status",
    "TCPCheck",
    "TCPProbe",
    "Target",
    "Verdict",
    "Window",
    "Windowed",
    "sequence",
]

# A library does not decide where its logs go.
logging.getLogger("fairdeploy").addHandler(logging.NullHandler())

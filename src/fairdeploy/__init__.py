"""Choose how to host, deploy with zero downtime, and get back safely.

The names here are the public ones, each loaded on first use; adapters are imported from their own
rooms, such as ``fairdeploy.backends.local``, and need their extra.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairdeploy.engine import Deployer, Events, Rollout, Status
    from fairdeploy.errors import (
        DeploymentError,
        FairdeployError,
        InvalidInput,
        LeaseHeld,
        RollbackError,
        StalePlan,
        ValidationError,
    )
    from fairdeploy.health import HealthChecker, HealthRule
    from fairdeploy.model import (
        TLS,
        Action,
        Capability,
        CheckResult,
        CommandCheck,
        CommandProbe,
        Deployment,
        ErrorComparison,
        ErrorRate,
        Event,
        HealthStatus,
        HTTPCheck,
        HTTPProbe,
        Job,
        Latency,
        LatencyComparison,
        OIDCCheck,
        Outcome,
        Plan,
        PostgresCheck,
        Probes,
        PrometheusCheck,
        Quorum,
        Release,
        RolloutResult,
        SampleRatio,
        SecretRef,
        Split,
        StorageCheck,
        Target,
        TCPCheck,
        TCPProbe,
        ValidationResult,
        Verdict,
        Window,
        all_of,
        any_of,
    )
    from fairdeploy.patterns import (
        DEPLOYMENT_PATTERNS,
        DeploymentPattern,
        InstitutionRequirements,
        Recommendation,
        recommend,
        recommend_deployment_pattern,
    )
    from fairdeploy.portal import BlockingDeployer, blocking
    from fairdeploy.preflight import DeploymentValidator
    from fairdeploy.strategies import (
        Approved,
        BlueGreen,
        Canary,
        Delegated,
        Migrated,
        Recreate,
        Rolling,
        Windowed,
        sequence,
    )

__all__ = [
    "DEPLOYMENT_PATTERNS",
    "TLS",
    "Action",
    "Approved",
    "BlockingDeployer",
    "BlueGreen",
    "Canary",
    "Capability",
    "CheckResult",
    "CommandCheck",
    "CommandProbe",
    "Delegated",
    "Deployer",
    "Deployment",
    "DeploymentError",
    "DeploymentPattern",
    "DeploymentValidator",
    "ErrorComparison",
    "ErrorRate",
    "Event",
    "Events",
    "FairdeployError",
    "HTTPCheck",
    "HTTPProbe",
    "HealthChecker",
    "HealthRule",
    "HealthStatus",
    "InstitutionRequirements",
    "InvalidInput",
    "Job",
    "Latency",
    "LatencyComparison",
    "LeaseHeld",
    "Migrated",
    "OIDCCheck",
    "Outcome",
    "Plan",
    "PostgresCheck",
    "Probes",
    "PrometheusCheck",
    "Quorum",
    "Recommendation",
    "Recreate",
    "Release",
    "RollbackError",
    "Rolling",
    "Rollout",
    "RolloutResult",
    "SampleRatio",
    "SecretRef",
    "Split",
    "StalePlan",
    "Status",
    "StorageCheck",
    "TCPCheck",
    "TCPProbe",
    "Target",
    "ValidationError",
    "ValidationResult",
    "Verdict",
    "Window",
    "Windowed",
    "all_of",
    "any_of",
    "blocking",
    "recommend",
    "recommend_deployment_pattern",
    "sequence",
]

# A library does not decide where its logs go.
logging.getLogger("fairdeploy").addHandler(logging.NullHandler())

_ROOMS = {
    "fairdeploy.portal": ("BlockingDeployer", "blocking"),
    "fairdeploy.engine": (
        "Deployer",
        "Events",
        "Rollout",
        "Status",
    ),
    "fairdeploy.errors": (
        "DeploymentError",
        "FairdeployError",
        "InvalidInput",
        "LeaseHeld",
        "RollbackError",
        "StalePlan",
        "ValidationError",
    ),
    "fairdeploy.health": (
        "HealthChecker",
        "HealthRule",
    ),
    "fairdeploy.model": (
        "TLS",
        "Action",
        "Capability",
        "CheckResult",
        "CommandCheck",
        "CommandProbe",
        "Deployment",
        "ErrorComparison",
        "ErrorRate",
        "Event",
        "HTTPCheck",
        "HTTPProbe",
        "HealthStatus",
        "Job",
        "Latency",
        "LatencyComparison",
        "OIDCCheck",
        "Outcome",
        "Plan",
        "PostgresCheck",
        "Probes",
        "PrometheusCheck",
        "Quorum",
        "Release",
        "RolloutResult",
        "SampleRatio",
        "SecretRef",
        "Split",
        "StorageCheck",
        "TCPCheck",
        "TCPProbe",
        "Target",
        "ValidationResult",
        "Verdict",
        "Window",
        "all_of",
        "any_of",
    ),
    "fairdeploy.patterns": (
        "DEPLOYMENT_PATTERNS",
        "DeploymentPattern",
        "InstitutionRequirements",
        "Recommendation",
        "recommend",
        "recommend_deployment_pattern",
    ),
    "fairdeploy.preflight": ("DeploymentValidator",),
    "fairdeploy.strategies": (
        "Approved",
        "BlueGreen",
        "Canary",
        "Delegated",
        "Migrated",
        "Recreate",
        "Rolling",
        "Windowed",
        "sequence",
    ),
}
_WHERE = {name: room for room, names in _ROOMS.items() for name in names}

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load a public name on first use: who only chooses need not wait for the engine, nor a helper process."""
        room = _WHERE.get(name)
        if room is None:
            raise AttributeError(f"module 'fairdeploy' has no attribute {name!r}")
        value = getattr(import_module(room), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """Return the public names, loaded or not, for completion."""
        return sorted({*globals(), *__all__})

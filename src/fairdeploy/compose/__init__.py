"""A compose file as Docker reads it, as values, and whether it can roll without downtime."""

from __future__ import annotations

from fairdeploy.compose.check import check_compose
from fairdeploy.compose.file import ComposeFile, Place, Service
from fairdeploy.compose.parts import (
    Attachment,
    Build,
    Config,
    Dependency,
    Grant,
    Healthcheck,
    Limits,
    Mount,
    Network,
    Port,
    Secret,
    Startup,
    Volume,
)
from fairdeploy.compose.reading import compose_command, read_compose
from fairdeploy.compose.report import ComposeReport, Remark, Role, Rolling, ServiceReport

__all__ = [
    "Attachment",
    "Build",
    "ComposeFile",
    "ComposeReport",
    "Config",
    "Dependency",
    "Grant",
    "Healthcheck",
    "Limits",
    "Mount",
    "Network",
    "Place",
    "Port",
    "Remark",
    "Role",
    "Rolling",
    "Secret",
    "Service",
    "ServiceReport",
    "Startup",
    "Volume",
    "check_compose",
    "compose_command",
    "read_compose",
]

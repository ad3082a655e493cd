"""Checks as data: they travel inside a plan, and whoever recovers it can run them."""

from __future__ import annotations

from fairdeploy.model.check.bound import BoundCheck
from fairdeploy.model.check.command import CommandCheck
from fairdeploy.model.check.comparison import (
    Comparison,
    ErrorComparison,
    LatencyComparison,
    SampleRatio,
    share_alpha,
)
from fairdeploy.model.check.counted import Threshold, is_comparison, is_counted, is_threshold
from fairdeploy.model.check.http import HTTPCheck
from fairdeploy.model.check.oidc import OIDCCheck
from fairdeploy.model.check.postgres import PostgresCheck
from fairdeploy.model.check.prometheus import PrometheusCheck
from fairdeploy.model.check.scope import Scope
from fairdeploy.model.check.storage import StorageCheck
from fairdeploy.model.check.tcp import TCPCheck
from fairdeploy.model.check.threshold import ErrorRate, Latency
from fairdeploy.model.check.union import Asked, Check, Quorum, all_of, any_of, bound_in, is_asked, is_data

__all__ = [
    "Asked",
    "BoundCheck",
    "Check",
    "CommandCheck",
    "Comparison",
    "ErrorComparison",
    "ErrorRate",
    "HTTPCheck",
    "Latency",
    "LatencyComparison",
    "OIDCCheck",
    "PostgresCheck",
    "PrometheusCheck",
    "Quorum",
    "SampleRatio",
    "Scope",
    "StorageCheck",
    "TCPCheck",
    "Threshold",
    "all_of",
    "any_of",
    "bound_in",
    "is_asked",
    "is_comparison",
    "is_counted",
    "is_data",
    "is_threshold",
    "share_alpha",
]

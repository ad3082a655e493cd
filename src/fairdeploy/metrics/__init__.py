"""Sources of metrics: where requests are counted, by revision."""

from __future__ import annotations

from fairdeploy.metrics.memory import MemorySource
from fairdeploy.metrics.prometheus import PrometheusCounters
from fairdeploy.metrics.router import RouterCounters

__all__ = ["MemorySource", "PrometheusCounters", "RouterCounters"]

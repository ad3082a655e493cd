"""What counters mean: pure functions from numbers to verdicts."""

from __future__ import annotations

from fairdeploy.analysis.counted import difference
from fairdeploy.analysis.threshold import judge

__all__ = ["difference", "judge"]

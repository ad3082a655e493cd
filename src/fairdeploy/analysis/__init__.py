"""What counters mean: pure functions from numbers to verdicts."""

from __future__ import annotations

from fairdeploy.analysis.bursts import Answer, Cap, Capping, capped, measure_burst
from fairdeploy.analysis.comparison import add, begin, conclude
from fairdeploy.analysis.counted import difference
from fairdeploy.analysis.power import power, stages, with_power
from fairdeploy.analysis.state import State, Tally
from fairdeploy.analysis.threshold import judge

__all__ = [
    "Answer",
    "Cap",
    "Capping",
    "State",
    "Tally",
    "add",
    "begin",
    "capped",
    "conclude",
    "difference",
    "judge",
    "measure_burst",
    "power",
    "stages",
    "with_power",
]

"""How a figure is printed: ours, beside the limit or the peer, from one run."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ms", "p", "say", "title"]


def title(text: str) -> None:
    """Print what is measured, on what, and how busy that is with other things (a run queue above 0 tells)."""
    cores = len(
        [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")]
    )
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"\n{text}\n  on {platform.machine()}, {cores} cores, Python {platform.python_version()}, load averages {load}"
    )


def say(what: str, figure: str, *, budget: str = "", beside: str = "") -> None:
    """Print one figure, its budget, and what it is measured against."""
    parts = [f"  {what:<66} {figure:>14}"]
    if budget:
        parts.append(f"budget {budget}")
    if beside:
        parts.append(f"beside {beside}")
    print("   ".join(parts))
    sys.stdout.flush()


def ms(samples: Sequence[float], *percents: float) -> str:
    """Return percentiles of samples in milliseconds, such as ``1.2 / 3.4 ms``; 100 is the largest."""
    return " / ".join(f"{p(samples, percent):.1f}" for percent in percents) + " ms"


def p(samples: Sequence[float], percent: float) -> float:
    """Return a percentile of samples, by the nearest rank."""
    ordered = sorted(samples)
    if percent == 50:
        return statistics.median(ordered)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

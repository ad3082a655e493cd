"""Adding a batch of events to a tally."""

from __future__ import annotations

from operator import add

from fairdeploy.analysis.odds import log_likelihoods
from fairdeploy.analysis.state import Tally

__all__ = ["grown", "tallied"]


def tallied(
    tally: Tally, grid: tuple[float, ...], events: tuple[int, int], requests: tuple[int, int]
) -> Tally:
    """Return the tally after a batch.

    Args:
        tally: Until now.
        grid: Odds ratios.
        events: Of candidate and baseline.
        requests: Of candidate and baseline.
    """
    x, y = events
    if not x + y:
        return tally
    n, m = requests
    return grown(tally, events, log_likelihoods(grid, x, n, x + y, m))


def grown(tally: Tally, events: tuple[int, int], by: tuple[float, ...]) -> Tally:
    """Return the tally with events, and with what they say, added."""
    x, y = events
    return Tally(
        candidate=tally.candidate + x,
        baseline=tally.baseline + y,
        likelihoods=tuple(map(add, tally.likelihoods, by)),
    )

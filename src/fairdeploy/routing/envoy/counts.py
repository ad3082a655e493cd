"""Envoy's statistics as counters per revision. Parsing is pure.

Envoy charges status codes and times to the name that a route gave (``s1+s0``: revision 1, with 0 standing
in), but counts what was really sent at the cluster that got it (``s1``). So:

- ``requests``: completed under all names that begin with the place, less those that another revision
  answered in its stead. That number is not counted by Envoy; it follows from what was completed or
  tried again, but never sent to the place. It is exact while nothing is under way and one side fails.
- ``errors``: 5xx of these. Among them are Envoy's own 503 for requests that broke at this revision and
  could not be tried elsewhere: users saw them, and it is the revision that broke them.
- ``latency``: everything completed under these names, the time of failed first attempts included.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote

from fairdeploy.model import Counters, Histogram
from fairdeploy.routing.envoy.admin import UNREADABLE, ask, unreadable
from fairdeploy.routing.envoy.listeners import ADMIN_SOCKET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairdeploy.model import RevisionId
    from fairdeploy.routing.envoy.state import State

__all__ = ["Counted", "counters", "counts", "parse_counts"]

_QUERY: Final = (
    r"^cluster\.s\d+(\+s\d+|~|!)?\.upstream_rq_(completed|5xx|retry|total|active|pending_failure_eject|time)$"
)

_LINE: Final = re.compile(r"cluster\.(s\d+(?:\+s\d+|~|!)?)\.upstream_rq_(\w+): (.*)")
_BUCKET: Final = re.compile(r"B([0-9.e+]+)\(\d+,(\d+)\)")


@final
@dataclass(frozen=True, slots=True)
class Counted:
    """What Envoy has counted, by the name it was charged to."""

    numbers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    times: Mapping[str, Histogram] = field(default_factory=dict)

    def get(self, name: str, what: str) -> int:
        """Return a number; 0 if it was never counted."""
        return self.numbers.get(name, {}).get(what, 0)


async def counts(folder: Path) -> Counted:
    """Return what Envoy has counted.

    Raises:
        Unreachable: If Envoy does not answer.
    """
    path = f"/stats?histogram_buckets=cumulative&filter={quote(_QUERY)}"
    return parse_counts(await ask(folder, ADMIN_SOCKET, path))


def parse_counts(text: str) -> Counted:
    """Return what a text of statistics says.

    Raises:
        RouterError: If it is none that Envoy gives.
    """
    try:
        return _parsed(text)
    except UNREADABLE as exc:
        raise unreadable("statistics", exc) from exc


def _parsed(text: str) -> Counted:
    numbers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    times: dict[str, Histogram] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        name, what, value = found.groups()
        if what == "time":
            times[name] = _histogram(value)
        else:
            numbers[name][what] = int(value)
    return Counted(numbers, times)


def counters(state: State, counted: Counted, started: str) -> Mapping[RevisionId, Counters]:
    """Return the counters of every revision with a pool.

    Args:
        state: Which revision has which place.
        counted: What Envoy has counted.
        started: Differs from one Envoy process to the next.
    """
    return {place.revision: _place(place.name, counted, f"{started}:{place.name}") for place in state.live}


def _place(name: str, counted: Counted, incarnation: str) -> Counters:
    charged = [key for key in {*counted.numbers, *counted.times} if key == name or key.startswith(f"{name}+")]
    completed = sum(counted.get(key, "completed") for key in charged)
    retries = sum(counted.get(key, "retry") for key in charged)
    elsewhere = min(completed, _elsewhere(name, counted, completed + retries))
    return Counters(
        requests=completed - elsewhere,
        errors=min(completed - elsewhere, sum(counted.get(key, "5xx") for key in charged)),
        retries=retries,
        latency=_sum([counted.times[key] for key in charged if key in counted.times]),
        incarnation=incarnation,
    )


def _elsewhere(name: str, counted: Counted, attempts: int) -> int:
    """Return how many requests another revision answered.

    Attempts that neither reached the place nor failed to connect to it were made elsewhere.
    """
    aside = f"{name}~"
    attempts += counted.get(aside, "completed") + counted.get(aside, "retry")
    ways = (name, f"{name}!")
    reached = sum(counted.get(way, "total") - counted.get(way, "active") for way in ways)
    refused = sum(counted.get(way, "pending_failure_eject") for way in ways)
    return max(0, attempts - reached - refused)


def _histogram(value: str) -> Histogram:
    buckets = [(float(bound), int(count)) for bound, count in _BUCKET.findall(value)]
    return Histogram(bounds_ms=tuple(b for b, _ in buckets), counts=tuple(c for _, c in buckets))


def _sum(histograms: list[Histogram]) -> Histogram:
    """Add histograms of one Envoy: they have the same bounds, or none while nothing was flushed."""
    filled = [histogram for histogram in histograms if histogram.bounds_ms]
    if not filled:
        return Histogram()
    return Histogram(
        bounds_ms=filled[0].bounds_ms,
        counts=tuple(sum(column) for column in zip(*(histogram.counts for histogram in filled), strict=True)),
    )

"""From series that come, go and begin anew to counters that only grow."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, final

from fairdeploy.model import Counters, Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Part", "Reading", "Revised", "Series"]

Series: TypeAlias = tuple[tuple[str, str], ...]
"""The labels that tell a series from others, in order."""

Part: TypeAlias = str
"""What a series counts: ``requests``, ``errors``, or ``le:`` and a bound in milliseconds."""

Reading: TypeAlias = "Mapping[tuple[Part, Series], int]"
"""What the series of one revision stood at, at one moment."""


@final
@dataclass(slots=True)
class Revised:
    """The counters of one revision.

    A series that was not there before has begun since: all it holds is new. One that has gone keeps
    what it had counted, so that an instance that is not seen for a while leaves no hole. One that
    stands lower than before has begun anew, and what it counted until then is not known: counting
    begins anew with it.
    """

    last: dict[tuple[Part, Series], int] = field(default_factory=dict)
    totals: dict[Part, int] = field(default_factory=dict)
    incarnation: str = ""

    def take(self, reading: Reading) -> Counters:
        """Take one more reading in and return what has been counted since the first."""
        anew = not self.last or any(value < self.last.get(key, 0) for key, value in reading.items())
        if anew:
            self.incarnation = secrets.token_hex(8)
            self.totals = {part: 0 for part, _ in reading}
            self.last = dict(reading)
        else:
            for (part, series), value in reading.items():
                grown = value - self.last.get((part, series), 0)
                self.totals[part] = self.totals.get(part, 0) + grown
                self.last[part, series] = value
        return self._counters()

    def _counters(self) -> Counters:
        buckets = sorted(
            (float(part.removeprefix("le:")), total)
            for part, total in self.totals.items()
            if part.startswith("le:")
        )
        return Counters(
            requests=self.totals.get("requests", 0),
            errors=self.totals.get("errors", 0),
            latency=Histogram(
                bounds_ms=tuple(bound for bound, _ in buckets), counts=tuple(count for _, count in buckets)
            ),
            incarnation=self.incarnation,
        )

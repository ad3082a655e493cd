"""What a comparison has seen so far: a value that is carried through all steps, and through a crash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Final, final

from fairdeploy.errors import InvalidInput

__all__ = ["State", "Tally"]

_VERSION: Final = 2
"""Of the record, and of what its numbers mean (the grid of odds ratios)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Events of one kind, and what they say about the ratio.

    Args:
        candidate: Events of the candidate.
        baseline: Events of the baseline.
        likelihoods: Log-likelihood at each ratio of the grid, up to a number that all share.
    """

    candidate: int = 0
    baseline: int = 0
    likelihoods: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that a verdict needs to know of the past.

    Args:
        kind: Of the check.
        ratios: The check's ``tolerated`` and ``margin``: the grid depends on them.
        candidate: Requests of the candidate until now (measured ones, for latency).
        baseline: Requests of the baseline until now.
        tallies: One per thing counted: errors; or slow answers, one per quantile.
        bounds_ms: Latency buckets of all requests until now, without an infinite one.
        pooled: How many took at most so long, of both revisions.
        total: Of how many, since the buckets last changed.
        waiting: What was counted of candidate and baseline since, too little to be a batch:
            requests and errors; or measured requests, and those up to each of `bounds_ms`.
        weight: The candidate's share while that was counted, if it was told.
    """

    kind: str
    ratios: tuple[float, ...]
    candidate: int = 0
    baseline: int = 0
    tallies: tuple[Tally, ...] = ()
    bounds_ms: tuple[float, ...] = ()
    pooled: tuple[int, ...] = ()
    total: int = 0
    waiting: tuple[tuple[int, ...], ...] = ()
    weight: float | None = None

    def write(self) -> str:
        """Return the state as one line of JSON."""
        return json.dumps({"version": _VERSION, **asdict(self)}, separators=(",", ":"), allow_nan=False)

    @classmethod
    def read(cls, text: str) -> State:
        """Return the state that `write` wrote.

        Raises:
            InvalidInput: If it is no such text, or another version wrote it.
        """
        try:
            data = json.loads(text)
            version = data.pop("version")
            state = cls(
                kind=data.pop("kind"),
                ratios=_numbers(data.pop("ratios")),
                candidate=_whole(data.pop("candidate")),
                baseline=_whole(data.pop("baseline")),
                tallies=tuple(_tally(each) for each in data.pop("tallies")),
                bounds_ms=_numbers(data.pop("bounds_ms")),
                pooled=_wholes(data.pop("pooled")),
                total=_whole(data.pop("total")),
                waiting=tuple(_wholes(each) for each in data.pop("waiting")),
                weight=_share(data.pop("weight")),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = "this is no state of a comparison: give what State.write() returned"
            raise InvalidInput(msg) from error
        if version != _VERSION or data:
            msg = f"the state has version {version!r}, not {_VERSION}: begin anew, or use the release that wrote it"
            raise InvalidInput(msg)
        return state


def _tally(data: dict[str, object]) -> Tally:
    return Tally(
        candidate=_whole(data["candidate"]),
        baseline=_whole(data["baseline"]),
        likelihoods=_numbers(data["likelihoods"]),
    )


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value


def _share(value: object) -> float | None:
    return None if value is None else _numbers([value])[0]


def _wholes(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(_whole(each) for each in value)


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(
        isinstance(each, (int, float)) and isfinite(each) for each in value
    ):
        raise ValueError(value)
    return tuple(float(each) for each in value)

"""How much the answer hangs on the weights: over all weightings, and around the ones that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from math import log
from operator import ge, gt, mul
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from fairdeploy.patterns import _read

if TYPE_CHECKING:
    from fairdeploy.patterns.assessment import Assessment
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["Sensitivity", "acceptability", "sensitivity", "share", "simplex", "wins"]


@final
@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What becomes of the ranking when nobody agrees on the weights.

    Args:
        acceptability: For each pattern that can be chosen, the share of weightings that give it each rank, first to last.
            Patterns that tie have the same rank, so that a rank's shares can sum to more than 1.
        reversals: Patterns whose leaving out turns the order of two others around; empty, as grades do not depend on
            what else is judged. It is checked all the same, as criteria of your own may be otherwise.
        points: How many weightings were looked at.
    """

    acceptability: Mapping[str, tuple[float, ...]]
    reversals: tuple[str, ...]
    points: int

    def wins(self, key: str) -> float:
        """Return the share of weightings in which a pattern is first, 0 to 1; 0 if it cannot be chosen."""
        return self.acceptability.get(key, (0.0,))[0]

    def __str__(self) -> str:
        """Return the shares, no finer than what went in deserves."""
        ranked = sorted(self.acceptability, key=lambda key: (-self.wins(key), key))
        return "; ".join(f"{key} wins in {share(self.wins(key))} of weightings" for key in ranked)


def share(value: float) -> str:
    """Write a share in steps of 5 %: grades in thirds and halves do not carry more."""
    if value <= 0:
        return "none"
    if value >= 1:
        return "all"
    rounded = 5 * round(20 * value)
    return "over 95 %" if rounded == 100 else "under 5 %" if rounded == 0 else f"about {rounded} %"


def simplex(dimensions: int, points: int) -> tuple[tuple[float, ...], ...]:
    """Return weightings that fill the simplex evenly: one column of weights a dimension, not normalised.

    A low-discrepancy sequence (Kronecker's, by the generalised golden ratio), so that the same question has the same
    answer. The logarithm makes of the unit cube what is uniform on the simplex.
    """
    ratio = 1.5
    for _ in range(40):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    columns = []
    for dimension in range(1, dimensions + 1):
        step = ratio**-dimension
        columns.append(tuple(-log((0.5 + step * number) % 1 or 0.5) for number in range(1, points + 1)))
    return tuple(columns)


def sensitivity(advice: Recommendation, *, points: int = 2_000) -> Sensitivity:
    """Return in which share of all weightings each pattern gets which rank.

    Args:
        advice: The recommendation. Gates stay as they are; what is weighed is what the institution asks for.
        points: How many weightings to look at, 1 to 1,000,000.

    Raises:
        InvalidInput: If ``points`` is out of range.
    """
    number = round(_read.number(points, "points", low=1, high=1e6))
    return Sensitivity(acceptability(advice, number), _reversals(advice), number)


def acceptability(advice: Recommendation, points: int) -> Mapping[str, tuple[float, ...]]:
    """Return, for each pattern that can be chosen, the share of weightings that give it each rank."""
    judged = advice.eligible
    ranks = _rank_shares(_grades(judged), points) if judged else []
    return MappingProxyType({each.key: shares for each, shares in zip(judged, ranks, strict=True)})


def wins(advice: Recommendation, key: str, points: int) -> float:
    """Return the share of weightings in which one pattern is first, alone or with others; 0 if it cannot be chosen."""
    judged = advice.eligible
    rows = (
        dict(zip([each.key for each in judged], map(tuple, _grades(judged)), strict=True)) if judged else {}
    )
    if key not in rows:
        return 0.0
    own = rows[key]
    # What is nowhere better than another is nowhere ahead of it, whatever the weights: the others decide.
    rivals = {row for row in rows.values() if row != own}
    rivals = {row for row in rivals if not any(_covers(other, row) for other in (rivals | {own}) - {row})}
    if not rivals:
        return 1.0
    weights = _remembered(len(own), points)
    mine = _totals(own, weights, points)
    theirs = [_totals(row, weights, points) for row in rivals]
    best = map(max, *theirs) if len(theirs) > 1 else theirs[0]
    return [*map(ge, mine, best)].count(True) / points


def _covers(row: Sequence[float], other: Sequence[float]) -> bool:
    """Whether grades are at least as good everywhere."""
    return all(map(ge, row, other))


_remembered = lru_cache(maxsize=16)(simplex)
"""The few weightings behind every explanation; the many of a closer look are made when asked for."""


def _grades(judged: Sequence[Assessment]) -> list[tuple[float, ...]]:
    """Return a row of grades a pattern, of the criteria in which they differ, above the worst of them."""
    columns = []
    for scores in zip(*(each.scores for each in judged), strict=True):
        grades = [score.grade for score in scores]
        if scores[0].asked and max(grades) > min(grades):
            columns.append([round(grade - min(grades), 12) for grade in grades])
    return list(zip(*columns, strict=True)) if columns else [() for _ in judged]


def _rank_shares(rows: Sequence[Sequence[float]], points: int) -> list[tuple[float, ...]]:
    """Return, a pattern, the share of weightings for each rank."""
    weights = simplex(len(rows[0]), points)
    # Patterns with equal grades have equal totals: they are worked out once, and tie exactly.
    totals = {row: _totals(row, weights, points) for row in map(tuple, rows)}
    found = []
    for row in map(tuple, rows):
        above = [0] * points
        for other in map(tuple, rows):
            if other != row:
                above = [
                    count + more
                    for count, more in zip(above, map(gt, totals[other], totals[row]), strict=True)
                ]
        found.append(tuple(above.count(rank) / points for rank in range(len(rows))))
    return found


def _totals(row: tuple[float, ...], weights: Sequence[Sequence[float]], points: int) -> list[float]:
    parts = [map(mul, column, repeat(grade)) for grade, column in zip(row, weights, strict=True) if grade]
    return list(map(sum, zip(*parts, strict=True))) if parts else [0.0] * points


def _reversals(advice: Recommendation) -> tuple[str, ...]:
    """Name the patterns whose leaving out changes the order of the others."""
    from fairdeploy.patterns.recommender import recommend  # noqa: PLC0415 -- recommendations ask for sensitivity

    if len(advice.assessments) < 3:
        return ()
    found = []
    for left_out in advice.assessments:
        rest = {key: pattern for key, pattern in advice.patterns.items() if key != left_out.key}
        again = recommend(
            advice.requirements, weights=advice.weights, patterns=rest, criteria=advice.criteria
        )
        before = [each.key for each in advice.assessments if each.key != left_out.key]
        if [each.key for each in again.assessments] != before:
            found.append(left_out.key)
    return tuple(found)

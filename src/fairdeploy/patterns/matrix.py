"""The decision matrix as plain rows, from which every rendering is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.patterns.explanation import said

if TYPE_CHECKING:
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["Matrix", "Row", "matrix"]


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One pattern.

    Args:
        key: Its key.
        name: Its name.
        verdict: Whether it can be chosen.
        total: Its points of 100; None if it is excluded.
        points: Points for each criterion that is asked for, as texts.
        remark: Its conditions, or what excludes it.
        first: Whether it wins.
    """

    key: str
    name: str
    verdict: str
    total: float | None
    points: tuple[str, ...]
    remark: str
    first: bool


@final
@dataclass(frozen=True, slots=True)
class Matrix:
    """The decision matrix.

    Args:
        title: What is decided.
        criteria: Titles of the criteria that are asked for, with their weights.
        rows: The patterns, the best first.
        footnote: Where the facts are from.
    """

    title: str
    criteria: tuple[str, ...]
    rows: tuple[Row, ...]
    footnote: str


def matrix(advice: Recommendation) -> Matrix:
    """Return the decision matrix of a recommendation."""
    asked = [score for score in advice.assessments[0].scores if score.asked]
    won = {each.key for each in advice.winners}
    rows = [
        Row(
            key=each.key,
            name=each.pattern.name,
            verdict=said(each),
            total=each.percent if each.eligible else None,
            points=tuple(f"{score.points:.1f}" for score in each.scores if score.asked),
            remark="; ".join(
                each.conditions if each.eligible else (gate.reason for gate in each.excluded_by)
            ),
            first=each.key in won,
        )
        for each in advice.assessments
    ]
    return Matrix(
        title="Decision matrix",
        criteria=tuple(f"{score.title} ({score.weight:g})" for score in asked),
        rows=tuple(rows),
        footnote=f"Catalogue {advice.catalogue} of {advice.date.isoformat()}; not legal advice.",
    )

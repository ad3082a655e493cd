"""Who wins after one answer has changed, without working everything out anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, final

from fairdeploy.patterns.assessment import Assessment, percent_of, rank, undominated
from fairdeploy.patterns.gate import GATES, Eligibility, Gate, gates_of, pass_gates
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.reading import read_by
from fairdeploy.patterns.requirements import InstitutionRequirements

if TYPE_CHECKING:
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["Trace"]

_BY_PERCENT: Final = itemgetter(0)


@dataclass(frozen=True, slots=True)
class _Traced:
    """A pattern's points, and what could change them.

    Args:
        found: What was found as the requirements are.
        points: What each criterion gives, 0 where it is not asked for.
        weights: What each criterion could give, 0 where it is not asked for.
        grades: The places of the criteria that read a field.
        opening: The fields that all shut gates read: with any other they stay shut. None if no gate is shut.
    """

    found: Assessment
    points: Sequence[float]
    weights: Sequence[float]
    grades: Mapping[str, Sequence[int]]
    opening: Collection[str] | None


@final
class Trace:
    """Follows a recommendation through changes of one field.

    A pure function that did not read a field gives the same whatever the field says, so that a change of one field
    needs few of them again.

    Args:
        advice: The recommendation.
    """

    def __init__(self, advice: Recommendation) -> None:
        self._criteria: Final = advice.criteria
        self._weights: Final = [advice.weights[criterion.key] for criterion in advice.criteria]
        self._traced: Final = [self._trace(advice.requirements, each) for each in advice.assessments]

    def matters(self, field: str) -> bool:
        """Whether anything reads a field: if not, nothing changes with it."""
        return bool(gates_of(field)) or any(field in traced.grades for traced in self._traced)

    def winner(self, needs: InstitutionRequirements, changed: str) -> str | None:
        """Return who wins with requirements that differ in one field; None if everything is excluded."""
        ranked = [
            (-self._percent(traced, needs, changed), traced)
            for traced in self._traced
            # A gate that is shut and does not read what has changed stays shut.
            if traced.opening is None or changed in traced.opening
        ]
        ranked.sort(key=_BY_PERCENT)
        gates = gates_of(changed)
        # Gates are asked from the top down: those below whoever passes first decide nothing.
        for most, tied in groupby(ranked, key=_BY_PERCENT):
            first = [traced.found for _, traced in tied if _passes(gates, needs, traced.found.pattern)]
            if len(first) == 1:
                return first[0].key
            if first:
                return min(undominated(first), key=lambda found: _rank(found, needs, -most)).key
        return None

    def _trace(self, needs: InstitutionRequirements, found: Assessment) -> _Traced:
        pattern = found.pattern
        grades: dict[str, list[int]] = {}
        for place, criterion in enumerate(self._criteria):
            for name in read_by(criterion.grade, needs, pattern):
                grades.setdefault(name, []).append(place)
        opening = None
        if not found.eligible:
            shut = [gate for gate in GATES if not _passes([gate], needs, pattern)]
            opening = frozenset.intersection(*(read_by(gate, needs, pattern) for gate in shut))
        points = [score.points if score.asked else 0.0 for score in found.scores]
        weights = [score.weight if score.asked else 0.0 for score in found.scores]
        return _Traced(found, points, weights, grades, opening)

    def _percent(self, traced: _Traced, needs: InstitutionRequirements, changed: str) -> float:
        """Return the points of 100, excluded or not."""
        places = traced.grades.get(changed)
        if places is None:
            return traced.found.percent
        points, weights = list(traced.points), list(traced.weights)
        for place in places:
            grade = self._criteria[place].grade(needs, traced.found.pattern)
            weight = 0.0 if grade is None else self._weights[place]
            weights[place] = weight
            points[place] = 0.0 if grade is None else weight * grade.value
        return percent_of(points, weights)


def _passes(gates: Sequence[Gate], needs: InstitutionRequirements, pattern: DeploymentPattern) -> bool:
    """Whether none of some gates is shut."""
    for gate in gates:
        for each in gate(needs, pattern):
            if each.eligibility is Eligibility.EXCLUDED:
                return False
    return True


def _rank(found: Assessment, needs: InstitutionRequirements, percent: float) -> tuple[object, ...]:
    """Return what ties are broken by; conditions are counted only here."""
    results = pass_gates(needs, found.pattern, GATES)
    conditions = {said for each in results for said in each.conditions}
    return rank(found.key, found.pattern, eligible=True, percent=percent, conditions=len(conditions))

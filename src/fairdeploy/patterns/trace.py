"""Who wins after one answer has changed, without working everything out anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, final

from fairdeploy.patterns.assessment import Assessment, order, percent_of, rank
from fairdeploy.patterns.gate import GATES, Eligibility, GateResult
from fairdeploy.patterns.requirements import InstitutionRequirements

if TYPE_CHECKING:
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["Trace"]

_EXCLUDED: Final = (True,)
"""What is excluded comes after everything else, in no order."""


class _Watched:
    """Requirements that remember which of their fields were read."""

    def __init__(self, needs: InstitutionRequirements) -> None:
        self._needs = needs
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self._needs, name)


@dataclass(frozen=True, slots=True)
class _Traced:
    """A pattern's gates and grades, each with the fields that it was worked out from."""

    found: Assessment
    gates: tuple[tuple[set[str], tuple[GateResult, ...]], ...]
    grades: tuple[tuple[set[str], float | None], ...]
    read: frozenset[str]
    graded: frozenset[str]
    shut: tuple[set[str], ...]


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
        self._traced: Final = [self._watch(advice.requirements, each) for each in advice.assessments]
        self._ranks: Final = [order(each) for each in advice.assessments]

    def winner(self, needs: InstitutionRequirements, changed: str) -> str | None:
        """Return who wins with requirements that differ in one field; None if everything is excluded."""
        ranks = [
            self._again(traced, needs, changed) if changed in traced.read else before
            for traced, before in zip(self._traced, self._ranks, strict=True)
        ]
        first = min(range(len(ranks)), key=ranks.__getitem__)
        return None if ranks[first][0] else self._traced[first].found.key

    def _watch(self, asked: InstitutionRequirements, found: Assessment) -> _Traced:
        gates, grades = [], []
        for gate in GATES:
            needs = _Watched(asked)
            # A stand-in that answers as the requirements do.
            gates.append((needs.read, tuple(gate(cast("InstitutionRequirements", needs), found.pattern))))
        for criterion in self._criteria:
            needs = _Watched(asked)
            grade = criterion.grade(cast("InstitutionRequirements", needs), found.pattern)
            grades.append((needs.read, None if grade is None else grade.value))
        graded = frozenset[str]().union(*(names for names, _ in grades))
        read = graded.union(*(names for names, _ in gates))
        shut = tuple(
            names
            for names, results in gates
            if any(each.eligibility is Eligibility.EXCLUDED for each in results)
        )
        return _Traced(found, tuple(gates), tuple(grades), read, graded, shut)

    def _again(self, traced: _Traced, needs: InstitutionRequirements, changed: str) -> tuple[object, ...]:
        found = traced.found
        if any(changed not in read for read in traced.shut):
            return _EXCLUDED
        conditions: set[str] = set()
        for gate, (read, before) in zip(GATES, traced.gates, strict=True):
            for result in gate(needs, found.pattern) if changed in read else before:
                if result.eligibility is Eligibility.EXCLUDED:
                    return _EXCLUDED
                conditions.update(result.conditions)
        percent = self._percent(traced, needs, changed)
        return rank(found.key, found.pattern, eligible=True, percent=percent, conditions=len(conditions))

    def _percent(self, traced: _Traced, needs: InstitutionRequirements, changed: str) -> float:
        if changed not in traced.graded:
            return traced.found.percent
        counted: list[tuple[float, float]] = []
        for criterion, weight, (read, before) in zip(
            self._criteria, self._weights, traced.grades, strict=True
        ):
            grade = criterion.grade(needs, traced.found.pattern) if changed in read else None
            value = before if changed not in read else None if grade is None else grade.value
            if value is not None:
                counted.append((weight, value))
        return percent_of(counted)

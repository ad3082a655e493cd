"""Who wins after one answer has changed, without working everything out anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, final

from fairdeploy.patterns.assessment import Assessment, percent_of, rank
from fairdeploy.patterns.gate import GATES, Eligibility, Gate
from fairdeploy.patterns.requirements import InstitutionRequirements

if TYPE_CHECKING:
    from fairdeploy.patterns.recommendation import Recommendation

__all__ = ["Trace"]


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
    percent: float | None
    gates: dict[str, list[Gate]]
    grades: tuple[tuple[set[str], float | None], ...]
    read: frozenset[str]
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

    def winner(self, needs: InstitutionRequirements, changed: str) -> str | None:
        """Return who wins with requirements that differ in one field; None if everything is excluded."""
        percents = [self._percent(traced, needs, changed) for traced in self._traced]
        most = max((each for each in percents if each is not None), default=None)
        first = [traced for traced, percent in zip(self._traced, percents, strict=True) if percent == most]
        if most is None:
            return None
        if len(first) == 1:
            return first[0].found.key
        # Conditions are counted only where they break a tie.
        return min(first, key=lambda traced: self._rank(traced, needs, most)).found.key

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
        read = frozenset[str]().union(*(names for names, _ in gates), *(names for names, _ in grades))
        shut = tuple(
            names
            for names, results in gates
            if any(each.eligibility is Eligibility.EXCLUDED for each in results)
        )
        percent = found.percent if found.eligible else None
        reading: dict[str, list[Gate]] = {}
        for gate, (names, _) in zip(GATES, gates, strict=True):
            for name in names:
                reading.setdefault(name, []).append(gate)
        return _Traced(found, percent, reading, tuple(grades), read, shut)

    def _percent(self, traced: _Traced, needs: InstitutionRequirements, changed: str) -> float | None:
        """Return the points of 100; None if it is excluded."""
        if changed not in traced.read:
            return traced.percent
        if any(changed not in read for read in traced.shut):
            return None
        pattern = traced.found.pattern
        for gate in traced.gates.get(changed, ()):
            if any(each.eligibility is Eligibility.EXCLUDED for each in gate(needs, pattern)):
                return None
        counted: list[tuple[float, float]] = []
        for criterion, weight, (read, before) in zip(
            self._criteria, self._weights, traced.grades, strict=True
        ):
            value = before
            if changed in read:
                grade = criterion.grade(needs, pattern)
                value = None if grade is None else grade.value
            if value is not None:
                counted.append((weight, value))
        return percent_of(counted)

    def _rank(self, traced: _Traced, needs: InstitutionRequirements, percent: float) -> tuple[object, ...]:
        pattern = traced.found.pattern
        conditions = {each for gate in GATES for result in gate(needs, pattern) for each in result.conditions}
        return rank(traced.found.key, pattern, eligible=True, percent=percent, conditions=len(conditions))

"""Who wins after one answer has changed, without working everything out anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
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
    """A pattern's gates and grades, with what was read for each of them.

    Args:
        found: What was found as the requirements are.
        counted: Weight and grade of each criterion; no grade where it is not asked for.
        percent: The points of 100 as they are, excluded or not.
        gates: The gates that read a field.
        grades: The places of the criteria that read a field.
        shut: For each gate that is shut, what it has read.
        conditions: For each gate, what it has read and what it asks to be done first.
    """

    found: Assessment
    counted: tuple[tuple[float, float | None], ...]
    percent: float
    gates: Mapping[str, Sequence[Gate]]
    grades: Mapping[str, Sequence[int]]
    shut: tuple[set[str], ...]
    conditions: tuple[tuple[Gate, set[str], tuple[str, ...]], ...]


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
        ranked = sorted(
            [
                (self._percent(traced, needs, changed), traced)
                for traced in self._traced
                # A gate that is shut and did not read what has changed stays shut.
                if all(changed in read for read in traced.shut)
            ],
            key=lambda each: -each[0],
        )
        # Gates are asked from the top down: those below whoever passes first decide nothing.
        for most, tied in groupby(ranked, key=itemgetter(0)):
            first = [traced for _, traced in tied if _passes(traced, needs, changed)]
            if len(first) == 1:
                return first[0].found.key
            if first:
                # Conditions are counted only where they break a tie.
                best = min(first, key=lambda traced: _rank(traced, needs, changed, most))
                return best.found.key
        return None

    def _watch(self, asked: InstitutionRequirements, found: Assessment) -> _Traced:
        pattern = found.pattern
        gates: dict[str, list[Gate]] = {}
        grades: dict[str, list[int]] = {}
        shut, conditions = [], []
        counted: list[tuple[float, float | None]] = []
        for gate in GATES:
            needs = _Watched(asked)
            # A stand-in that answers as the requirements do.
            results = tuple(gate(cast("InstitutionRequirements", needs), pattern))
            if any(each.eligibility is Eligibility.EXCLUDED for each in results):
                shut.append(needs.read)
            conditions.append((gate, needs.read, tuple(said for each in results for said in each.conditions)))
            for name in needs.read:
                gates.setdefault(name, []).append(gate)
        for place, (criterion, weight) in enumerate(zip(self._criteria, self._weights, strict=True)):
            needs = _Watched(asked)
            grade = criterion.grade(cast("InstitutionRequirements", needs), pattern)
            counted.append((weight, None if grade is None else grade.value))
            for name in needs.read:
                grades.setdefault(name, []).append(place)
        return _Traced(found, tuple(counted), found.percent, gates, grades, tuple(shut), tuple(conditions))

    def _percent(self, traced: _Traced, needs: InstitutionRequirements, changed: str) -> float:
        """Return the points of 100, excluded or not."""
        places = traced.grades.get(changed)
        if places is None:
            return traced.percent
        pattern, counted = traced.found.pattern, list(traced.counted)
        for place in places:
            grade = self._criteria[place].grade(needs, pattern)
            counted[place] = (self._weights[place], None if grade is None else grade.value)
        return percent_of([(weight, value) for weight, value in counted if value is not None])


def _passes(traced: _Traced, needs: InstitutionRequirements, changed: str) -> bool:
    """Whether no gate is shut that reads what has changed."""
    return all(
        each.eligibility is not Eligibility.EXCLUDED
        for gate in traced.gates.get(changed, ())
        for each in gate(needs, traced.found.pattern)
    )


def _rank(
    traced: _Traced, needs: InstitutionRequirements, changed: str, percent: float
) -> tuple[object, ...]:
    pattern = traced.found.pattern
    conditions: set[str] = set()
    for gate, read, before in traced.conditions:
        if changed in read:
            conditions.update(said for result in gate(needs, pattern) for said in result.conditions)
        else:
            conditions.update(before)
    return rank(traced.found.key, pattern, eligible=True, percent=percent, conditions=len(conditions))

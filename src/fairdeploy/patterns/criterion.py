"""Criteria: what is weighed among the patterns that pass the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read
from fairdeploy.patterns.claim import Source
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["Criterion", "Grade", "Grader", "Scale", "read_weights"]


@final
@dataclass(frozen=True, slots=True)
class Grade:
    """How well a pattern does by one criterion.

    Args:
        value: From 0, not at all, to 1, as well as can be.
        reason: Why, in one sentence.
        sources: Where the facts are from.

    Raises:
        InvalidInput: If the value is out of range.
    """

    value: float
    reason: str
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is out of range; no number at all too."""
        if not isinstance(self.value, (int, float)) or not 0 <= self.value <= 1:
            raise InvalidInput(f"a grade must be a number from 0 to 1, not {self.value!r} ({self.reason})")


Grader: TypeAlias = Callable[[InstitutionRequirements, DeploymentPattern], Grade | None]
"""A pure function; ``None`` where the institution does not ask for it, for every pattern alike."""


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """Grades an attribute of your own by a table or between two ends: a criterion that is data.

    Args:
        attribute: The name in `DeploymentPattern.attributes`. A pattern without it gets 0, and the reason says so.
        grades: For texts and booleans: what each is worth, 0 to 1.
        worst: For numbers: what is worth 0.
        best: For numbers: what is worth 1; may be less than ``worst``.

    Raises:
        InvalidInput: Unless either a table or two different ends are given.
    """

    attribute: str
    grades: Mapping[str, float] | None = None
    worst: float | None = None
    best: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no scale."""
        ends = self.worst is not None and self.best is not None and self.worst != self.best
        if (self.grades is not None) == ends or (self.grades is not None and not self.grades):
            raise InvalidInput(
                f"the scale of {self.attribute!r} needs either 'grades', or 'worst' and 'best' that differ"
            )
        if self.grades is not None:
            read = {
                str(name): _read.number(value, f"grades of {self.attribute!r}", high=1)
                for name, value in sorted(self.grades.items(), key=str)
            }
            object.__setattr__(self, "grades", MappingProxyType(read))
        else:
            for end in ("worst", "best"):
                object.__setattr__(
                    self, end, _read.number(getattr(self, end), f"{end} of {self.attribute!r}", low=-1e12)
                )

    def __call__(self, needs: InstitutionRequirements, pattern: DeploymentPattern) -> Grade:
        """Return the grade of a pattern."""
        del needs  # the same for every institution
        if self.attribute not in pattern.attributes:
            return Grade(0, f"{self.attribute} is not known of it")
        value = pattern.attributes[self.attribute]
        return Grade(self._worth(value), f"{self.attribute} is {value!r}")

    def _worth(self, value: object) -> float:
        if self.grades is not None:
            return self.grades.get(str(value), 0.0)
        if isinstance(value, str) or self.worst is None or self.best is None:
            return 0.0
        share = (_read.number(value, self.attribute, low=-1e12) - self.worst) / (self.best - self.worst)
        return min(1.0, max(0.0, share))


@final
@dataclass(frozen=True, slots=True)
class Criterion:
    """Something to weigh.

    Args:
        key: Its name among the weights.
        title: How people call it.
        weight: How much it counts unless said otherwise, at least 0.
        grade: What grades a pattern: a pure function, or a `Scale`.

    Raises:
        InvalidInput: If a name is empty or the weight is negative.
    """

    key: str
    title: str
    weight: float
    grade: Grader

    def __post_init__(self) -> None:
        """Refuse what is no criterion."""
        _read.text(self.key, "criterion key", longest=60)
        _read.text(self.title, "criterion title", longest=120)
        _read.number(self.weight, f"weight of {self.key!r}", high=1e9)
        if not callable(self.grade):
            raise InvalidInput(
                f"grade of {self.key!r} must be a function that returns a Grade, or a Scale, not {self.grade!r}"
            )


def read_weights(weights: Mapping[str, float] | None, criteria: Sequence[Criterion]) -> Mapping[str, float]:
    """Return the weight of every criterion: as given, else its own.

    Raises:
        InvalidInput: If a criterion is unknown, a weight is negative or not finite, or all are 0.
    """
    keys = [criterion.key for criterion in criteria]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInput(f"criteria name {twice!r} twice: a key stands for one criterion")
    given = {} if weights is None else weights
    if not isinstance(given, Mapping):
        raise InvalidInput(f"weights must map criteria to numbers, not {weights!r}")
    unknown = sorted(str(key) for key in given if key not in keys)
    if unknown:
        raise InvalidInput(
            f"weights name no criterion {unknown[0]!r}: choose from {', '.join(map(repr, sorted(keys)))}"
        )
    read = {
        each.key: _read.number(given.get(each.key, each.weight), f"weight of {each.key!r}", high=1e9)
        for each in criteria
    }
    if not any(read.values()):
        raise InvalidInput(f"weights are all 0: {read!r}; give one criterion at least a weight above 0")
    return MappingProxyType(read)

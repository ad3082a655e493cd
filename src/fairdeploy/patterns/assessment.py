"""What is found out about one pattern for one institution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import final

from fairdeploy.patterns.claim import Source
from fairdeploy.patterns.gate import Eligibility, GateResult
from fairdeploy.patterns.pattern import DeploymentPattern

__all__ = ["Assessment", "Score", "order", "percent_of", "rank", "undominated"]


@final
@dataclass(frozen=True, slots=True)
class Score:
    """What one criterion gives to one pattern.

    Args:
        criterion: The criterion's key.
        title: How people call it.
        weight: How much it counts.
        grade: 0 to 1.
        reason: Why.
        sources: Where the facts are from.
        asked: Whether the institution asks for it at all; if not, it counts for no pattern.
    """

    criterion: str
    title: str
    weight: float
    grade: float
    reason: str
    sources: tuple[Source, ...] = ()
    asked: bool = True

    @property
    def points(self) -> float:
        """Weight times grade."""
        return self.weight * self.grade


@final
@dataclass(frozen=True, slots=True)
class Assessment:
    """What the gates and the criteria say about one pattern.

    Args:
        key: The pattern's key.
        pattern: The pattern.
        gates: What each gate says.
        scores: What each criterion gives, for a pattern that is excluded too: to see what it costs.
    """

    key: str
    pattern: DeploymentPattern
    gates: tuple[GateResult, ...]
    scores: tuple[Score, ...]
    _eligibility: Eligibility = field(init=False, repr=False, compare=False)
    _percent: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every ranking and rendering asks for."""
        worst = min((gate.eligibility for gate in self.gates), default=Eligibility.ELIGIBLE)
        object.__setattr__(self, "_eligibility", worst)
        asked = [score for score in self.scores if score.asked]
        percent = percent_of([score.points for score in asked], [score.weight for score in asked])
        object.__setattr__(self, "_percent", percent)

    @property
    def eligibility(self) -> Eligibility:
        """The worst that a gate says."""
        return self._eligibility

    @property
    def eligible(self) -> bool:
        """Whether it can be chosen, with conditions or without."""
        return self.eligibility is not Eligibility.EXCLUDED

    @property
    def conditions(self) -> tuple[str, ...]:
        """What must be done first, each once."""
        return tuple(dict.fromkeys(each for gate in self.gates for each in gate.conditions))

    @property
    def excluded_by(self) -> tuple[GateResult, ...]:
        """The gates that are shut."""
        return tuple(gate for gate in self.gates if gate.eligibility is Eligibility.EXCLUDED)

    @property
    def points(self) -> float:
        """The sum over the criteria that are asked for."""
        return fsum(score.points for score in self.scores if score.asked)

    @property
    def percent(self) -> float:
        """The points in percent of what can be had; what differs by less than nine places is a tie."""
        return self._percent


def order(one: Assessment) -> tuple[object, ...]:
    """Sort assessments, as `rank` says."""
    return rank(
        one.key, one.pattern, eligible=one.eligible, percent=one.percent, conditions=len(one.conditions)
    )


def rank(
    key: str, pattern: DeploymentPattern, *, eligible: bool, percent: float, conditions: int
) -> tuple[object, ...]:
    """Return what is sorted by: eligible first, by points; ties by what is easier to defend.

    The documented order of ties: fewer conditions, less upkeep, less complexity, lower price, more control, name.
    """
    return (
        not eligible,
        -percent,
        conditions,
        pattern.maintenance_burden,
        pattern.complexity,
        pattern.cost_range.middle,
        -pattern.control_level,
        key,
    )


def percent_of(points: Sequence[float], weights: Sequence[float]) -> float:
    """Return points in percent of what can be had: to nine places, what differs by less is a tie."""
    whole = fsum(weights)
    return round(100 * fsum(points) / whole, 9) if whole else 100.0


def undominated(tied: Sequence[Assessment]) -> tuple[Assessment, ...]:
    """Return those of several with equal points that no other of them dominates."""
    return tuple(
        [
            one
            for one in tied
            if not any(other is not one and other.pattern.dominates(one.pattern) for other in tied)
        ]
    )

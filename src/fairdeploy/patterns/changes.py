"""What would change the answer: an answer given otherwise, a fact that is missing, a weight, a condition not met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum, IntEnum
from operator import itemgetter
from types import MappingProxyType
from typing import Final, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns._read import label
from fairdeploy.patterns.assessment import Assessment, undominated
from fairdeploy.patterns.claim import REGIMES
from fairdeploy.patterns.gate import Eligibility
from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.recommendation import Recommendation
from fairdeploy.patterns.requirements import CHOICES, with_answer
from fairdeploy.patterns.trace import Trace

__all__ = ["Change", "ChangeKind", "changes"]


class ChangeKind(Enum):
    """What is changed."""

    ANSWER = "an answer given otherwise"
    FACT = "a fact that is not given"
    WEIGHT = "a weight"
    CONDITION = "a condition that cannot be met"


@final
@dataclass(frozen=True, slots=True)
class Change:
    """A change, of one thing only, after which another pattern wins.

    Args:
        kind: What sort of thing.
        field: Which one: a requirement, a criterion, or the winner's key.
        before: What it is now.
        after: What it would be.
        winner: Who wins then; None if everything is excluded.
        size: How big the change is: steps between words, or the relative change of a number or weight.
    """

    kind: ChangeKind
    field: str
    before: str
    after: str
    winner: str | None
    size: float

    def __str__(self) -> str:
        """Return it as a sentence."""
        then = f"{self.winner} wins" if self.winner else "every pattern is excluded"
        match self.kind:
            case ChangeKind.WEIGHT:
                return f"if the weight of {self.field} were {self.after} instead of {self.before}, {then}"
            case ChangeKind.CONDITION:
                return f"if the conditions of {self.field} cannot be met, {then}"
            case ChangeKind.FACT:
                return f"if {self.field} turned out to be {self.after}, {then}"
            case ChangeKind.ANSWER:
                return f"if {self.field} were {self.after} instead of {self.before}, {then}"


_FLAGS: Final = ("data_sovereignty", "sensitive_on_site", "own_services", "existing_hardware", "outside_help")
_TRIED: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "users": (1_000, 10_000),
        "data_volume_gb": (15_000, 300_000),
        "staff_fte": (0.05, 0.25, 1),
        "availability_percent": (99.5, 99.95),
        "rto_hours": (0.5, 4),
        "rpo_hours": (0.25,),
        "deadline_days": (3, 20),
    }
)
"""Numbers that stand for small, usual and demanding where none is given."""
_EDGES: Final[Mapping[str, Callable[[DeploymentPattern], float | None]]] = MappingProxyType(
    {
        "data_volume_gb": lambda pattern: pattern.max_data_gb,
        "staff_fte": lambda pattern: pattern.staff_fte.low if pattern.staff_fte else None,
        "availability_percent": lambda pattern: pattern.availability_percent,
        "rto_hours": lambda pattern: pattern.rto_hours,
        "rpo_hours": lambda pattern: pattern.rpo_hours,
    }
)
"""Where a pattern's gate opens: the nearest number at which something can change."""


def changes(advice: Recommendation) -> tuple[Change, ...]:
    """Return the changes of one thing that change the winner: answers first, then weights, conditions and facts.

    Within each kind the smallest come first. A requirement is changed one at a time: a number to what each pattern
    reaches, and, as facts that are not given, to a few values that stand for small, usual and demanding.
    """
    best = advice.best
    if best is None:
        return ()
    found = [*_answers(advice, best.key), *_weights(advice, best), *_conditions(advice, best)]
    kinds = {ChangeKind.ANSWER: 0, ChangeKind.WEIGHT: 1, ChangeKind.CONDITION: 2, ChangeKind.FACT: 3}
    return tuple(sorted(found, key=lambda each: (kinds[each.kind], each.size, each.field, each.after)))


def _answers(advice: Recommendation, best: str) -> Iterator[Change]:
    """Try every requirement with every other value."""
    needs, trace = advice.requirements, Trace(advice)
    for each in fields(needs):
        if not trace.matters(each.name):
            continue
        now, known = getattr(needs, each.name), set[str | None]()
        kind = ChangeKind.FACT if now is None else ChangeKind.ANSWER
        for value, size in _alternatives(each.name, now, advice):
            try:
                other = with_answer(needs, each.name, value)
            except InvalidInput:
                continue  # it contradicts another answer: nobody can give it
            winner = trace.winner(other, each.name)
            if winner != best and not (isinstance(now, float) and winner in known):
                known.add(winner)  # of numbers, the nearest says it all
                yield Change(kind, each.name, _said(now), _said(value), winner, size)


def _alternatives(name: str, now: object, advice: Recommendation) -> Iterator[tuple[object, float]]:
    """Yield the other values of a requirement, and how far off each is."""
    if name in CHOICES:
        for member in CHOICES[name]:
            if member is not now:
                steps = (
                    abs(member.value - now.value)
                    if isinstance(member, IntEnum) and isinstance(now, IntEnum)
                    else 1
                )
                yield member, steps
    elif name in _FLAGS:
        yield from ((value, 1) for value in (True, False) if value is not now)
    elif name == "compliance" and isinstance(now, tuple):
        yield from ((tuple(each for each in now if each != gone), 1) for gone in now)
        usual = [each for each in REGIMES if each not in ("RESIDENCY", "SOVEREIGNTY") and each not in now]
        yield from (((*now, each), 1) for each in usual)
    elif now is None:
        yield from ((value, 1) for value in _TRIED.get(name, ()))
    elif isinstance(now, float):
        reached = _EDGES.get(name)
        edges = {reached(each.pattern) for each in advice.assessments} if reached else _TRIED[name]
        sizes = {edge: abs(edge - now) / max(edge, now) for edge in edges if edge not in (None, now)}
        yield from sorted(sizes.items(), key=itemgetter(1, 0))


def _said(value: object) -> str:
    match value:
        case None:
            return "not given"
        case bool():
            return "yes" if value else "no"
        case Enum():
            return label(value).lower()
        case tuple():
            return ", ".join(REGIMES.get(str(each), str(each)) for each in value) or "none"
        case float():
            return f"{value:.12g}"
        case _:
            return str(value)


def _weights(advice: Recommendation, best: Assessment) -> Iterator[Change]:
    """Yield, a criterion, the nearest weights at which another pattern overtakes: exact, as points are linear in it."""
    behind = [(other, best.points - other.points) for other in advice.eligible if other is not best]
    for index, mine in enumerate(best.scores):
        if not mine.asked:
            continue
        nearest: dict[bool, tuple[float, str]] = {}
        for other, ahead in behind:
            gain = mine.grade - other.scores[index].grade
            at = round(mine.weight - ahead / gain, 9) if gain else 0.0
            if at <= 0 or ahead <= 0:  # under 0 there are no weights
                continue
            up = at > mine.weight
            if up not in nearest or abs(at - mine.weight) < abs(nearest[up][0] - mine.weight):
                nearest[up] = (at, other.key)
        for up, (at, key) in nearest.items():
            size = abs(at - mine.weight) / mine.weight if mine.weight else at
            word = "over" if up else "under"
            yield Change(ChangeKind.WEIGHT, mine.criterion, f"{mine.weight:g}", f"{word} {at:.2g}", key, size)


def _conditions(advice: Recommendation, best: Assessment) -> Iterator[Change]:
    """Yield what remains when the winner's conditions cannot be met."""
    if best.eligibility is Eligibility.CONDITIONAL:
        rest = [each for each in advice.eligible if each is not best]
        first = undominated([each for each in rest if each.percent == rest[0].percent])
        after = "; ".join(best.conditions)
        yield Change(ChangeKind.CONDITION, best.key, after, "not met", first[0].key if first else None, 1)

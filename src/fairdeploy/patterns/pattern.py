"""A way to host, as ordered, typed values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read
from fairdeploy.patterns.claim import Claim, Status, read_regime
from fairdeploy.patterns.level import (
    Contract,
    Control,
    DataLocation,
    Expertise,
    Fit,
    Level,
    Scalability,
    SetupTime,
)
from fairdeploy.patterns.ranges import CostRange, Range

if TYPE_CHECKING:
    from enum import Enum

__all__ = ["Attribute", "DeploymentPattern"]

Attribute: TypeAlias = str | float | bool
"""What an attribute of your own may be."""

_LEVELS: dict[str, type[Enum]] = {
    "complexity": Level,
    "scalability": Scalability,
    "control_level": Control,
    "min_technical_expertise": Expertise,
    "setup_time": SetupTime,
    "maintenance_burden": Level,
}
_OPTIONAL_LEVELS: dict[str, type[Enum]] = {
    "data_location": DataLocation,
    "reuses_hardware": Fit,
    "bursts": Fit,
    "disaster_recovery": Fit,
    "contract": Contract,
}
_NUMBERS = {"availability_percent": 100.0, "rto_hours": None, "rpo_hours": None, "max_data_gb": None}


@final
@dataclass(frozen=True, slots=True, init=False)
class DeploymentPattern:
    """A way to host. Texts are read (``"Low"``, ``"$$-$$$"``, ``["GDPR", "HIPAA*"]``), and become ordered values.

    What is left out of the second group is unknown, which is told apart from "no": an institution that asks for it
    is told to find out.

    Args:
        name: What people call it.
        complexity: How hard it is to understand and to change.
        cost_range: Its price class.
        scalability: How far it grows.
        control_level: How much of it the institution decides about.
        compliance_support: What can be claimed, a rule's name or a `Claim` each; of a rule that is not listed, nothing is known.
        min_technical_expertise: What those who run it must be able to do.
        setup_time: How long until it runs.
        maintenance_burden: How much upkeep it needs.
        data_location: Where the data is.
        reuses_hardware: Whether machines that the institution has are put to use.
        bursts: Whether it takes peaks without machines that idle between them.
        disaster_recovery: Whether it survives the loss of a site.
        runs_services: Whether the institution's own programs run there too, not only a database.
        staff_fte: How many full-time people keep it running.
        availability_percent: What is within reach with usual means, in percent of a year.
        rto_hours: How soon it is back after a disaster, with usual means.
        rpo_hours: How much of the latest data a disaster takes, with usual means.
        max_data_gb: How much data it holds with usual means.
        contract: Which contract that an institution may have already covers it.
        attributes: Attributes of your own, for criteria of your own.

    Raises:
        InvalidInput: If a value cannot be read; the message names field, value and choices.
    """

    name: str
    complexity: Level
    cost_range: CostRange
    scalability: Scalability
    control_level: Control
    compliance_support: Mapping[str, Claim]
    min_technical_expertise: Expertise
    setup_time: SetupTime
    maintenance_burden: Level
    data_location: DataLocation | None
    reuses_hardware: Fit | None
    bursts: Fit | None
    disaster_recovery: Fit | None
    runs_services: bool | None
    staff_fte: Range | None
    availability_percent: float | None
    rto_hours: float | None
    rpo_hours: float | None
    max_data_gb: float | None
    contract: Contract | None
    attributes: Mapping[str, Attribute]

    def __init__(
        self,
        name: str,
        *,
        complexity: Level | str,
        cost_range: CostRange | str,
        scalability: Scalability | str,
        control_level: Control | str,
        compliance_support: Sequence[Claim | str] | Mapping[str, Claim],
        min_technical_expertise: Expertise | str,
        setup_time: SetupTime | str,
        maintenance_burden: Level | str,
        data_location: DataLocation | str | None = None,
        reuses_hardware: Fit | str | None = None,
        bursts: Fit | str | None = None,
        disaster_recovery: Fit | str | None = None,
        runs_services: bool | str | None = None,
        staff_fte: Range | Sequence[float] | float | None = None,
        availability_percent: float | None = None,
        rto_hours: float | None = None,
        rpo_hours: float | None = None,
        max_data_gb: float | None = None,
        contract: Contract | str | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> None:
        """Read what comes as text."""
        given = dict(locals())
        for each in fields(type(self)):
            object.__setattr__(self, each.name, _read_field(each.name, given[each.name]))

    def claim(self, regime: str) -> Claim:
        """Return what is claimed about a rule; of a rule that nobody has looked at, that it is unknown."""
        known = self.compliance_support.get(regime)
        if known is not None:
            return known
        key = read_regime(regime)
        return self.compliance_support.get(key) or Claim(key, Status.UNKNOWN)

    def __hash__(self) -> int:
        """Return the same for equal patterns: mappings have no hash of their own."""
        return hash((self.name, self.cost_range, self.complexity, *self.compliance_support))

    def dominates(self, other: DeploymentPattern) -> bool:
        """Tell whether this is at least as good in every attribute, and better in one.

        Where something is unknown for one of them, or is neither better nor worse (where the data is), they must be alike.
        """
        pairs = [*_compared(self, other), *_claimed(self, other)]
        alike = all(
            getattr(self, name) == getattr(other, name)
            for name in ("data_location", "contract", "attributes")
        )
        return (
            alike
            and all(mine >= theirs for mine, theirs in pairs)
            and any(mine > theirs for mine, theirs in pairs)
        )


def _read_field(name: str, value: object) -> object:
    """Return the value of a field from what was given for it."""
    reader = _READERS.get(name)
    if reader is not None:
        return reader(value)
    if name in _LEVELS:
        return _read.choice(value, _LEVELS[name], name)
    if value is None:
        return None
    if name in _OPTIONAL_LEVELS:
        return _read.choice(value, _OPTIONAL_LEVELS[name], name)
    return _read.number(value, name, high=_NUMBERS[name])


_BETTER_LOW = (
    "complexity",
    "min_technical_expertise",
    "setup_time",
    "maintenance_burden",
    "rto_hours",
    "rpo_hours",
)
_BETTER_HIGH = (
    "scalability",
    "control_level",
    "reuses_hardware",
    "bursts",
    "disaster_recovery",
    "runs_services",
    "availability_percent",
    "max_data_gb",
)


def _compared(one: DeploymentPattern, other: DeploymentPattern) -> list[tuple[float, float]]:
    """Pair what can be compared, so that more is better; what is known of one only is worse on both sides."""
    pairs: list[tuple[float, float]] = [
        (-one.cost_range.low, -other.cost_range.low),
        (-one.cost_range.high, -other.cost_range.high),
    ]
    for sign, names in ((-1, _BETTER_LOW), (1, _BETTER_HIGH)):
        for name in names:
            pairs += _pair(getattr(one, name), getattr(other, name), sign)
    for edge in ("low", "high"):
        pairs += _pair(getattr(one.staff_fte, edge, None), getattr(other.staff_fte, edge, None), -1)
    return pairs


def _pair(one: float | None, other: float | None, sign: int) -> list[tuple[float, float]]:
    if one is None and other is None:
        return []
    return [(sign * one, sign * other)] if one is not None and other is not None else [(0, 1)]


def _claimed(one: DeploymentPattern, other: DeploymentPattern) -> list[tuple[float, float]]:
    """Pair claims: by grade, then by how few conditions there are."""
    regimes = {*one.compliance_support, *other.compliance_support}
    claims = [(one.claim(each), other.claim(each)) for each in sorted(regimes)]
    grades = [(a.status.grade, b.status.grade) for a, b in claims]
    fewer = [(-len(a.conditions), -len(b.conditions)) for a, b in claims if a.status is b.status]
    return [*grades, *fewer]


def _claims(value: object) -> Mapping[str, Claim]:
    """Return claims by rule."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInput(f"compliance_support must be a list of rules or claims, not {value!r}")
    claims = [Claim.read(each) for each in value]
    named = [claim.regime for claim in claims]
    if len(set(named)) != len(named):
        twice = next(each for each in named if named.count(each) > 1)
        raise InvalidInput(f"compliance_support names {twice!r} twice: one claim for each rule")
    return MappingProxyType({claim.regime: claim for claim in sorted(claims, key=lambda claim: claim.regime)})


def _attributes(value: object) -> Mapping[str, Attribute]:
    if not isinstance(value, Mapping):
        if value is None:
            return MappingProxyType({})
        raise InvalidInput(f"attributes must map names to texts, numbers or booleans, not {value!r}")
    taken = {each.name for each in fields(DeploymentPattern)}
    for name, content in value.items():
        if not isinstance(name, str) or name in taken or not isinstance(content, (str, int, float, bool)):
            raise InvalidInput(
                f"attributes cannot hold {name!r}: {content!r}; use a new name, and a text, number or boolean"
            )
    return MappingProxyType(dict(sorted(value.items())))


_READERS: dict[str, Callable[[object], object]] = {
    "name": lambda value: _read.text(value, "name", longest=120),
    "cost_range": CostRange.read,
    "compliance_support": _claims,
    "attributes": _attributes,
    "runs_services": lambda value: None if value is None else _read.flag(value, "runs_services"),
    "staff_fte": lambda value: None if value is None else Range.read(value, "staff_fte"),
}

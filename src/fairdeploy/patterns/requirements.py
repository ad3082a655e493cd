"""What an institution needs, and what it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read
from fairdeploy.patterns.claim import REGIMES, read_regime
from fairdeploy.patterns.level import Contract, Expertise, Level, PhiHolder, Traffic

if TYPE_CHECKING:
    from enum import Enum

__all__ = ["CHOICES", "InstitutionRequirements", "with_answer"]

CHOICES: Mapping[str, type[Enum]] = {
    "budget": Level,
    "expertise": Expertise,
    "expected_growth": Level,
    "traffic": Traffic,
    "existing_contract": Contract,
    "phi_holder": PhiHolder,
}
"""The fields whose answer is one of a few words."""
_FLAGS = ("data_sovereignty", "sensitive_on_site", "own_services", "existing_hardware", "outside_help")
_NUMBERS: dict[str, tuple[float, float | None, str]] = {
    "users": (0, None, "people at the same time"),
    "data_volume_gb": (0, None, "GB"),
    "staff_fte": (0, None, "full-time equivalents"),
    "availability_percent": (0, 99.9999, "percent of a year"),
    "rto_hours": (0, None, "hours"),
    "rpo_hours": (0, None, "hours"),
    "deadline_days": (0, None, "days"),
}


@final
@dataclass(frozen=True, slots=True, init=False)
class InstitutionRequirements:
    """What an institution answers. Texts from forms are read: case, spaces and hyphens do not matter.

    The first five are the seed's. What is left out of the others is not asked for, and changes nothing.

    Args:
        budget: How much money there is: low, medium or high.
        compliance: The rules that it is under: names as in `REGIMES`, or ``x-...`` of its own.
        expertise: What its people can do: basic, intermediate or advanced.
        expected_growth: How much more is to come: low, medium or high.
        data_sovereignty: Whether it, and nobody else, must decide who gets at the data.
        users: How many people use it at the same time.
        data_volume_gb: How much data there will be.
        staff_fte: How many full-time people can keep it running, at the most.
        availability_percent: What it must reach, in percent of a year, below 99.9999.
        rto_hours: How soon it must be back after a disaster.
        rpo_hours: How much of the latest data a disaster may take.
        sensitive_on_site: Whether sensitive data may not leave the institution's own site.
        own_services: Whether programs of its own (a web application, pipelines) must run there too.
        region: Where the data must be, such as ``EU``, in your own words.
        deadline_days: In how many days it must run.
        traffic: Whether use is steady, seasonal, or comes in bursts.
        existing_hardware: Whether it has machines that can be used.
        existing_contract: What it already pays for.
        phi_holder: Whose protected health information it is: with "nobody", HIPAA does not apply.
        outside_help: Whether a partner can be hired for one step more of expertise than there is.

    Raises:
        InvalidInput: If a value cannot be read (the message names field, value and choices), or two contradict each other.
    """

    budget: Level
    compliance: tuple[str, ...]
    expertise: Expertise
    expected_growth: Level
    data_sovereignty: bool
    users: float | None
    data_volume_gb: float | None
    staff_fte: float | None
    availability_percent: float | None
    rto_hours: float | None
    rpo_hours: float | None
    sensitive_on_site: bool | None
    own_services: bool | None
    region: str | None
    deadline_days: float | None
    traffic: Traffic | None
    existing_hardware: bool | None
    existing_contract: Contract | None
    phi_holder: PhiHolder | None
    outside_help: bool | None

    def __init__(
        self,
        *,
        budget: Level | str,
        compliance: Sequence[str],
        expertise: Expertise | str,
        expected_growth: Level | str,
        data_sovereignty: bool | str,
        users: float | str | None = None,
        data_volume_gb: float | str | None = None,
        staff_fte: float | str | None = None,
        availability_percent: float | str | None = None,
        rto_hours: float | str | None = None,
        rpo_hours: float | str | None = None,
        sensitive_on_site: bool | str | None = None,
        own_services: bool | str | None = None,
        region: str | None = None,
        deadline_days: float | str | None = None,
        traffic: Traffic | str | None = None,
        existing_hardware: bool | str | None = None,
        existing_contract: Contract | str | None = None,
        phi_holder: PhiHolder | str | None = None,
        outside_help: bool | str | None = None,
    ) -> None:
        """Read what comes as text, and refuse what cannot be."""
        given = dict(locals())
        for each in fields(type(self)):
            object.__setattr__(self, each.name, _read_field(each.name, given[each.name]))
        _refuse_contradictions(self)

    @classmethod
    def read(cls, answers: Mapping[str, object]) -> InstitutionRequirements:
        """Return requirements from a form: a mapping of field names to what was written there.

        Raises:
            InvalidInput: If a field is missing, unknown, or cannot be read.
        """
        if not isinstance(answers, Mapping):
            raise InvalidInput(f"requirements must map fields to answers, not {answers!r}")
        known = [each.name for each in fields(cls)]
        unknown = sorted(str(name) for name in answers if name not in known)
        if unknown:
            raise InvalidInput(
                f"requirements have no field {unknown[0]!r}: choose from {', '.join(map(repr, known))}"
            )
        missing = [name for name in known[:5] if answers.get(name) is None]
        if missing:
            raise InvalidInput(f"requirements need {missing[0]!r}, which is not given")
        given: dict[str, Any] = dict(answers)  # Any: the constructor reads each value, whatever it is
        return cls(**given)

    def record(self) -> dict[str, object]:
        """Return what was answered, as JSON can hold it; what was left out stays out."""
        return {
            each.name: _plain(value)
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }

    def without(self, *names: str) -> InstitutionRequirements:
        """Return the same with some optional answers left out."""
        found = self
        for name in names:
            found = with_answer(found, name, None)
        return found

    @staticmethod
    def json_schema() -> dict[str, object]:
        """Return the JSON schema of a form that `read` accepts."""
        properties: dict[str, object] = {
            "compliance": {"type": "array", "items": {"type": "string", "examples": list(REGIMES.values())}},
            "region": {"type": "string"},
        }
        for name, kind in CHOICES.items():
            properties[name] = {"enum": [_plain(member) for member in kind]}
        for name in _FLAGS:
            properties[name] = {"type": "boolean"}
        for name, (low, high, unit) in _NUMBERS.items():
            bounds = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
            properties[name] = {"type": "number", "description": unit, **bounds}
        names = [each.name for each in fields(InstitutionRequirements)]
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "InstitutionRequirements",
            "type": "object",
            "properties": {name: properties[name] for name in names},
            "required": names[:5],
            "additionalProperties": False,
        }


def with_answer(needs: InstitutionRequirements, name: str, value: object) -> InstitutionRequirements:
    """Return the same with one answer given otherwise; the others were read before.

    Raises:
        InvalidInput: If the answer cannot be read, or contradicts another.
    """
    changed = object.__new__(InstitutionRequirements)
    for write, answer in zip(_WRITES, _ANSWERS(needs), strict=True):
        write(changed, answer)
    object.__setattr__(changed, name, _read_field(name, value))
    _refuse_contradictions(changed)
    return changed


_ANSWERS = attrgetter(*(each.name for each in fields(InstitutionRequirements)))
_WRITES = tuple(vars(InstitutionRequirements)[each.name].__set__ for each in fields(InstitutionRequirements))
"""Past the guard of a frozen value: what is written is not out of hand yet."""


def _plain(value: object) -> object:
    """Return a value as JSON holds it."""
    match value:
        case Level() | Expertise() | Traffic() | Contract() | PhiHolder():
            return value.name.lower().replace("_", " ")
        case tuple():
            return list(value)
        case _:
            return value


def _read_field(name: str, value: object) -> object:
    if name == "compliance":
        return _regimes(value)
    if name == "data_sovereignty":
        return _read.flag(value, name)
    if value is None and name not in ("budget", "expertise", "expected_growth"):
        return None
    if name in CHOICES:
        return _read.choice(value, CHOICES[name], name)
    if name in _FLAGS:
        return _read.flag(value, name)
    if name == "region":
        return _read.text(value, name, longest=60)
    low, high, unit = _NUMBERS[name]
    return _read.number(value, name, low=low, high=high, unit=unit)


def _regimes(value: object) -> tuple[str, ...]:
    """Return rules in order, each once: what was written first makes no difference."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, Sequence):
        raise InvalidInput(f"compliance must be a list of rules, not {value!r}")
    return tuple(sorted({read_regime(each) for each in value}))


def _refuse_contradictions(given: InstitutionRequirements) -> None:
    """Refuse answers that cannot both be meant."""
    if given.sensitive_on_site and not given.data_sovereignty:
        raise InvalidInput(
            "sensitive_on_site is 'yes' and data_sovereignty is 'no': data that may not leave the site is under the "
            "institution's own control; answer 'yes' to both, or 'no' to sensitive_on_site"
        )
    if given.phi_holder not in (None, PhiHolder.NOBODY) and "HIPAA" not in given.compliance:
        raise InvalidInput(
            f"phi_holder is {_read.label(given.phi_holder)!r} and compliance {list(given.compliance)!r} lacks 'HIPAA': "
            "add it, or answer 'nobody'"
        )

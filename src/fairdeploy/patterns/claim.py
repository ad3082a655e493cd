"""What a way of hosting can be said to do for a rule that an institution is under."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read

__all__ = ["REGIMES", "Claim", "Source", "Status", "read_regime"]

REGIMES = {
    "GDPR": "GDPR",
    "HIPAA": "HIPAA",
    "ISO27001": "ISO 27001",
    "NEN7510": "NEN 7510",
    "NIST800171": "NIST SP 800-171",
    "LOCAL": "Local regulations",
    "RESIDENCY": "data residency",
    "SOVEREIGNTY": "data sovereignty",
}
"""The rules that the catalogue knows, and how they are written. One of your own begins with ``x-``."""

_ALIASES = {
    "localregulations": "LOCAL",
    "isoiec27001": "ISO27001",
    "nistsp800171": "NIST800171",
    "dataresidency": "RESIDENCY",
    "datasovereignty": "SOVEREIGNTY",
    **{_read.plain(key): key for key in REGIMES},
}


def read_regime(value: object, field: str = "compliance") -> str:
    """Return the key of a rule: ``iso 27001`` is ``ISO27001``, ``HIPAA*`` is ``HIPAA``, ``x-bbmri`` is itself.

    Raises:
        InvalidInput: If no such rule is known.
    """
    if isinstance(value, str):
        if value.strip().casefold().startswith("x-") and len(_read.plain(value)) > 1:
            return value.strip().casefold()
        known = _ALIASES.get(_read.plain(value))
        if known:
            return known
    choices = ", ".join(repr(name) for name in REGIMES.values())
    raise InvalidInput(
        f"{field} cannot hold {value!r}: choose from {choices}, or name one of your own 'x-...'"
    )


class Status(Enum):
    """How a claim stands. Its grade is what the compliance criterion counts it as."""

    SUPPORTED = "supported"
    CONDITIONAL = "conditional"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"
    UNSUPPORTED = "unsupported"

    @property
    def grade(self) -> float:
        """1 when nothing is left to do, 0.5 with conditions, 0.25 when nobody has looked, 0 when it cannot be."""
        return _GRADES[self]


_GRADES = {
    Status.SUPPORTED: 1.0,
    Status.NOT_APPLICABLE: 1.0,
    Status.CONDITIONAL: 0.5,
    Status.UNKNOWN: 0.25,
    Status.UNSUPPORTED: 0.0,
}


@final
@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact is from.

    Args:
        title: What it is called.
        address: Where it can be read.
        date: The day the fact is of, or was written down.
    """

    title: str
    address: str
    date: dt.date

    def __post_init__(self) -> None:
        """Read the date."""
        object.__setattr__(self, "title", _read.text(self.title, "source title"))
        object.__setattr__(self, "address", _read.text(self.address, "source address"))
        if isinstance(self.date, str):
            try:
                object.__setattr__(self, "date", dt.date.fromisoformat(self.date))
            except ValueError as error:
                raise InvalidInput(
                    f"source date must be a day such as '2026-11-23', not {self.date!r}"
                ) from error
        if type(self.date) is not dt.date:  # a time of day would be written beside it
            raise InvalidInput(f"source date must be a day such as '2026-11-23', not {self.date!r}")

    def __hash__(self) -> int:
        """Return the same for equal sources, from the one text that hardly two of them share."""
        return hash(self.title)

    def __str__(self) -> str:
        """Return it as a citation."""
        return f"{self.title}, {self.date.isoformat()}, {self.address}"


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a pattern can be said to do for one rule. Not legal advice.

    Args:
        regime: The rule, as `REGIMES` lists them.
        status: How it stands.
        conditions: What must be done first; needed when the status is conditional, refused otherwise.
        note: What a reader should know beside it.
        sources: Where this is from.

    Raises:
        InvalidInput: If conditions and status do not agree.
    """

    regime: str
    status: Status
    conditions: tuple[str, ...] = ()
    note: str = ""
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a condition where there is none, and none where there must be."""
        object.__setattr__(self, "regime", read_regime(self.regime, "claim regime"))
        object.__setattr__(self, "status", _read.choice(self.status, Status, "claim status"))
        if isinstance(self.conditions, str):
            raise InvalidInput(
                f"conditions of {self.regime} must be a list of texts, not {self.conditions!r}"
            )
        conditions = tuple(_read.text(each, f"conditions of {self.regime}") for each in self.conditions)
        if bool(conditions) != (self.status is Status.CONDITIONAL):
            raise InvalidInput(
                f"the claim about {self.regime!r} is {self.status.value!r} with {len(conditions)} conditions: "
                "a conditional claim names them, no other does"
            )
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "sources", tuple(self.sources))

    def __hash__(self) -> int:
        """Return the same for equal claims, without going through all their sources."""
        return hash((self.regime, self.status, self.note))

    @classmethod
    def read(cls, value: object) -> Claim:
        """Return a claim from a claim or from a rule's name; a star means that conditions are not known.

        Raises:
            InvalidInput: If it is neither.
        """
        if isinstance(value, Claim):
            return value
        regime = read_regime(value, "compliance_support")
        if isinstance(value, str) and value.rstrip().endswith("*"):
            return cls(regime, Status.CONDITIONAL, ("whoever described this pattern names the conditions",))
        return cls(regime, Status.SUPPORTED, note="as stated by whoever described this pattern")

    @property
    def title(self) -> str:
        """The rule as it is written."""
        return REGIMES.get(self.regime, self.regime)

"""Ranges: what is not known exactly is not written as if it were."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import _read

__all__ = ["CostRange", "Range"]

_SIGNS = re.compile(r"(\${1,3})(?:-(\${1,3}))?")


@final
@dataclass(frozen=True, slots=True, order=True)
class CostRange:
    """A price class, from one to three dollar signs.

    Args:
        low: The least that it costs, 1 to 3.
        high: The most, ``low`` to 3.

    Raises:
        InvalidInput: If they are not in that order.

    Example:
        >>> str(CostRange.read("$$-$$$"))
        '$$-$$$'
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not (type(self.low) is int and type(self.high) is int and 1 <= self.low <= self.high <= 3):
            raise InvalidInput(
                f"cost_range must be whole numbers 1 <= low <= high <= 3, not {self.low!r} to {self.high!r}"
            )

    @classmethod
    def read(cls, value: object) -> CostRange:
        """Return the range that a text such as ``$-$$`` means.

        Raises:
            InvalidInput: If it means none.
        """
        if isinstance(value, CostRange):
            return value
        found = _SIGNS.fullmatch(value.replace(" ", "").replace("–", "-")) if isinstance(value, str) else None
        if not found:
            raise InvalidInput(
                f"cost_range cannot be {value!r}: choose one of '$', '$$', '$$$', or a range such as '$-$$'"
            )
        return cls(len(found[1]), len(found[2] or found[1]))

    @property
    def middle(self) -> float:
        """The middle of the range: 1.5 for ``$-$$``."""
        return (self.low + self.high) / 2

    def __str__(self) -> str:
        """Return it in dollar signs."""
        return "$" * self.low if self.low == self.high else f"{'$' * self.low}-{'$' * self.high}"


@final
@dataclass(frozen=True, slots=True)
class Range:
    """A quantity that is known within bounds.

    Args:
        low: The least that is plausible, at least 0.
        likely: What we would bet on; in the middle if left out.
        high: The most that is plausible; ``low`` if left out.

    Raises:
        InvalidInput: If they are not finite numbers in that order.
    """

    low: float
    likely: float = -1
    high: float = -1

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        low = _read.number(self.low, "low")
        high = low if self.high == -1 else _read.number(self.high, "high")
        likely = (low + high) / 2 if self.likely == -1 else _read.number(self.likely, "likely")
        if not low <= likely <= high:
            raise InvalidInput(f"a range must have low <= likely <= high, not {low!r}, {likely!r}, {high!r}")
        for field, value in (("low", low), ("likely", likely), ("high", high)):
            object.__setattr__(self, field, value)

    @classmethod
    def read(cls, value: object, field: str) -> Range:
        """Return a range from a range, a number, or two or three numbers.

        Raises:
            InvalidInput: If it is none of these; the message names the field.
        """
        if isinstance(value, Range):
            return value
        try:
            if isinstance(value, (list, tuple)) and len(value) == 3:
                return cls(*value)
            if isinstance(value, (list, tuple)) and len(value) == 2:
                return cls(value[0], high=value[1])
            return cls(_read.number(value, field))
        except InvalidInput as error:
            raise InvalidInput(f"{field} cannot be {value!r}: {error}") from error

    def __str__(self) -> str:
        """Return it as people write it: ``0.2 to 0.6``."""
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"

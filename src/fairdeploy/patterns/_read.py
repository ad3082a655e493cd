"""How what people write in forms becomes values: errors name the field, the value and the choices."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TypeVar

from fairdeploy.errors import InvalidInput

E = TypeVar("E", bound=Enum)
_YES = {"yes", "y", "true", "1", "ja"}
_NO = {"no", "n", "false", "0", "nee"}
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?(?<=\d)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_HUGE = 1e15
"""More of anything is a slip of the pen, and Python's own numbers end somewhere."""


def plain(text: str) -> str:
    """Return a text as it is compared: lower case, letters and digits only."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def choice(value: object, kind: type[E], field: str) -> E:
    """Return the member that a member or a text means; case, spaces and hyphens do not matter.

    Raises:
        InvalidInput: If it means none.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        for member in kind:
            if plain(value) == plain(member.name):
                return member
    choices = ", ".join(repr(label(member)) for member in kind)
    raise InvalidInput(f"{field} cannot be {value!r}: choose one of {choices}")


@lru_cache(maxsize=256, typed=True)  # members of two enums can be equal numbers
def label(member: Enum) -> str:
    """Return a member as people write it: ``On site``."""
    return member.name.replace("_", " ").capitalize()


def flag(value: object, field: str) -> bool:
    """Return yes or no, from a boolean or from what a form says.

    Raises:
        InvalidInput: If it is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        said = plain(value)
        if said in _YES | _NO:
            return said in _YES
    raise InvalidInput(f"{field} cannot be {value!r}: choose one of 'yes', 'no'")


def number(value: object, field: str, *, low: float = 0, high: float | None = None, unit: str = "") -> float:
    """Return a finite number in range, from a number or from its text (``"1,000"``, ``"0.5"``, ``"99.9 %"``).

    A comma stands between thousands only: ``"0,5"`` is refused, not read as 5.

    Raises:
        InvalidInput: If it is none, or out of range.
    """
    most = _HUGE if high is None else high
    bounds = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
    wanted = f"{field} must be a number {bounds}{f' {unit}' if unit else ''}, not {value!r}"
    if isinstance(value, str):
        said = value.strip().removesuffix("%").rstrip()
        value = float(said.replace(",", "")) if _NUMBER.fullmatch(said) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= most:
        raise InvalidInput(wanted)
    return float(value)


def text(value: object, field: str, *, longest: int = 500) -> str:
    """Return a text that says something.

    Raises:
        InvalidInput: If it is empty, too long, or no text.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise InvalidInput(f"{field} must be a text of 1 to {longest} characters, not {value!r}")
    return value.strip()

"""Small checks that values share, so that their messages read alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TypeVar

from fairdeploy.errors import InvalidInput

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
K = TypeVar("K", bound=str)
V = TypeVar("V")


def name(value: str, what: str) -> str:
    """Return ``value`` if it is a safe name: it becomes part of paths and identifiers.

    Raises:
        InvalidInput: If it is not 1 to 63 of ``a-z 0-9 . _ -``, beginning and ending with a letter or digit.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        msg = f"{what} {value!r} is not a name: use 1 to 63 of a-z, 0-9, '.', '_', '-', beginning and ending with a letter or digit"
        raise InvalidInput(msg)
    return value


def whole(value: int, what: str, *, low: int, high: int | None = None) -> int:
    """Return ``value`` if it is an integer in range (``bool`` is not one).

    Raises:
        InvalidInput: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{what} must be a whole number, not {value!r}"
        raise InvalidInput(msg)
    if value < low or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        msg = f"{what} must be {bounds}, not {value!r}"
        raise InvalidInput(msg)
    return value


def milliseconds(value: timedelta | float, what: str, *, low: int = 0) -> int:
    """Return a duration (``timedelta``, or a number of seconds) as whole milliseconds.

    Records hold integers, so that a hash survives being written and read back.

    Raises:
        InvalidInput: If it is negative, not finite, or not a duration.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        msg = f"{what} must be a timedelta or a number of seconds, not {value!r}"
        raise InvalidInput(msg)
    if not low <= seconds * 1000 < 2**53:
        msg = f"{what} must be a duration of at least {low} ms, not {value!r}"
        raise InvalidInput(msg)
    return round(seconds * 1000)


def strings(value: object, what: str) -> tuple[str, ...]:
    """Return a sequence of strings as a tuple; a lone string is a mistake, not a sequence.

    Raises:
        InvalidInput: If it is not a list or tuple of strings.
    """
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        msg = f"{what} must be a list of strings, not {value!r}"
        raise InvalidInput(msg)
    for item in value:
        if not isinstance(item, str) or "\0" in item:
            msg = f"{what} must hold strings without NUL, not {item!r}"
            raise InvalidInput(msg)
    return tuple(value)


def mapping(value: object, what: str, example: str) -> None:
    """Do nothing if ``value`` is a mapping.

    Raises:
        InvalidInput: If it is not.
    """
    if not isinstance(value, Mapping):
        msg = f"{what} must be a mapping, such as {example}, not {value!r}"
        raise InvalidInput(msg)


def flag(value: object, what: str) -> None:
    """Do nothing if ``value`` is true or false itself: the text ``"no"`` would count as true.

    Raises:
        InvalidInput: If it is anything else.
    """
    if not isinstance(value, bool):
        msg = f"{what} must be True or False, not {value!r}"
        raise InvalidInput(msg)


def absolute(value: object, what: str) -> None:
    """Do nothing if ``value`` is an absolute path.

    Raises:
        InvalidInput: If it is not.
    """
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        msg = f"{what} {value!r} must be an absolute path, as text"
        raise InvalidInput(msg)


def frozen_mapping(value: Mapping[K, V]) -> Mapping[K, V]:
    """Return a read-only copy in key order, so that equal contents hash alike."""
    return MappingProxyType(dict(sorted(value.items())))

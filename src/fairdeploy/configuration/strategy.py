"""A strategy from a table of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from fairdeploy.errors import InvalidInput
from fairdeploy.strategies import Approved, BlueGreen, Canary, Recreate, Rolling

if TYPE_CHECKING:
    from fairdeploy.model import Check
    from fairdeploy.protocols import Strategy

__all__ = ["KINDS", "read_strategy", "seconds"]

KINDS: Final[Mapping[str, Any]] = {  # Any: each takes settings of its own, and proves them
    "blue-green": BlueGreen,
    "canary": Canary,
    "recreate": Recreate,
    "rolling": Rolling,
}
_CHECKS: Final = ("verify", "analysis")
_UNIT: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def read_strategy(value: object, checks: Mapping[str, Check], where: str) -> Strategy:
    """Return the strategy of a table: its ``kind``, and settings of that kind by their names in Python.

    Durations are seconds, or texts such as ``"5m"``. ``verify`` and ``analysis`` name checks. With ``approved`` a
    person must say yes before the last step.

    Raises:
        InvalidInput: If the kind, a setting or a check is not known, or a value is out of range.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} must be a table with a kind, not {value!r}")
    given = dict(value)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput(f"{where}.kind must be one of {sorted(KINDS)!r}, not {kind!r}")
    approved = given.pop("approved", False)
    of = KINDS[kind]
    known = sorted(each.name for each in fields(of))
    for name in given:
        if name not in known:
            raise InvalidInput(f"{where} has no setting {name!r}: {kind} has {known!r}")
    try:
        made: Strategy = of(**{name: _setting(name, each, checks, where) for name, each in given.items()})
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error
    return Approved(made) if approved is True else made


def _setting(name: str, value: object, checks: Mapping[str, Check], where: str) -> object:
    if name in _CHECKS:
        return tuple(_check(each, checks, f"{where}.{name}") for each in _list(value, f"{where}.{name}"))
    if isinstance(value, list):
        return tuple(seconds(each) for each in value)
    return seconds(value)


def _check(name: object, checks: Mapping[str, Check], where: str) -> Check:
    found = checks.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidInput(f"{where} names {name!r}, which [checks] does not have: it has {sorted(checks)!r}")
    return found


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise InvalidInput(f"{where} must be a list of names of [checks], not {value!r}")
    return value


def seconds(value: object) -> object:
    """Return a text such as ``"5m"`` as a ``timedelta``, and anything else as it is."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return timedelta(seconds=float(found[1]) * _UNIT[found[2]]) if found else value

"""Which answers a pure function of requirements reads: told by itself, or watched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Final, TypeVar, cast

from fairdeploy.patterns.pattern import DeploymentPattern
from fairdeploy.patterns.requirements import InstitutionRequirements

__all__ = ["read_by", "reads", "told", "watched"]

_FIELDS: Final = frozenset(each.name for each in fields(InstitutionRequirements))
_TOLD: Final[dict[object, frozenset[str]]] = {}
_F = TypeVar("_F", bound=Callable[..., object])


def reads(*names: str) -> Callable[[_F], _F]:
    """Tell which fields a function may read at most, so that nobody needs to watch it."""

    def tell(function: _F) -> _F:
        _TOLD[function] = frozenset(names)
        return function

    return tell


def told(function: object) -> frozenset[str]:
    """Return the fields that a function told."""
    return _TOLD[function]


def read_by(
    function: Callable[[InstitutionRequirements, DeploymentPattern], object],
    needs: InstitutionRequirements,
    pattern: DeploymentPattern,
) -> frozenset[str]:
    """Return the fields that a gate or a grader reads: those that it told, else those that it is seen to read."""
    try:
        names = _TOLD.get(function)
    except TypeError:  # not every callable has a hash
        names = None
    return watched(function, needs, pattern) if names is None else names


def watched(
    function: Callable[[InstitutionRequirements, DeploymentPattern], object],
    needs: InstitutionRequirements,
    pattern: DeploymentPattern,
) -> frozenset[str]:
    """Return the fields that a function is seen to read; all of them if it reads something else (a method, say)."""
    watch = _Watch(needs)
    found = function(cast("InstitutionRequirements", watch), pattern)  # a stand-in that answers the same
    if isinstance(found, Iterator):
        deque(found, maxlen=0)
    return frozenset(watch.read) if watch.read <= _FIELDS else _FIELDS


class _Watch:
    """Requirements that remember which of their fields were read."""

    __slots__ = ("_needs", "read")

    def __init__(self, needs: InstitutionRequirements) -> None:
        self._needs = needs
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self._needs, name)

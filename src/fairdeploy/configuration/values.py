"""The model's own values from tables of the configuration: by their constructors, which prove them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from typing import Any, Final, get_args

from fairdeploy.configuration.strategy import seconds
from fairdeploy.errors import InvalidInput
from fairdeploy.model import TLS, Check, CommandProbe, HTTPProbe, Probes, SecretRef, TCPProbe

__all__ = ["CHECKS", "PROBES", "made", "of_kind", "table"]


def _by_kind(*classes: Any) -> dict[str, Any]:  # noqa: ANN401 -- each takes settings of its own, and proves them
    return {inspect.signature(each).parameters["kind"].default: each for each in classes}


CHECKS: Final = _by_kind(*get_args(get_args(Check)[0]))
"""Every check by its kind."""
PROBES: Final = _by_kind(HTTPProbe, TCPProbe, CommandProbe)
"""Every probe by its kind."""
_MAPPINGS: Final = frozenset({"config", "env", "headers", "json", "send"})
"""Settings that are mappings themselves, so that a key in them is none of ours."""


def of_kind(kinds: Mapping[str, Any], value: object, where: str) -> Any:  # noqa: ANN401 -- whatever the kind makes
    """Return the value of a table that says its kind.

    Raises:
        InvalidInput: If the kind is not known, or a setting is wrong.
    """
    given = dict(table(value, where))
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in kinds:
        raise InvalidInput(f"{where}.kind must be one of {sorted(kinds)!r}, not {kind!r}")
    return made(kinds[kind], given, where)


def made(of: Any, value: object, where: str) -> Any:  # noqa: ANN401 -- a class and its instance
    """Return a value of a class from a table of its settings.

    ``{ env = "NAME" }`` and ``{ file = "/path" }`` are secrets, found when they are needed; a setting in ``_ms`` may
    be a text such as ``"5s"``.

    Raises:
        InvalidInput: If a setting is not known, missing or wrong; the message names it.
    """
    known = {
        name: each for name, each in inspect.signature(of).parameters.items() if name not in {"_", "kind"}
    }
    given: dict[str, Any] = {
        name: _value(name, each, f"{where}.{name}") for name, each in table(value, where).items()
    }
    for name in given:
        if name not in known:
            raise InvalidInput(f"{where} has no setting {name!r}: it has {sorted(known)!r}")
    several = [name for name, each in known.items() if each.kind is inspect.Parameter.VAR_POSITIONAL]
    positional = [item for name in several for item in given.pop(name, ())]
    missing = [name for name, each in known.items() if each.default is inspect.Parameter.empty]
    for name in missing:
        if name not in given and name not in several:
            raise InvalidInput(f"{where} needs {name!r}, which is not there")
    try:
        return of(*positional, **given)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error
    except (TypeError, AttributeError) as error:
        raise InvalidInput(f"{where} holds a value of a wrong type: {error}") from error


def table(value: object, where: str) -> Mapping[str, object]:
    """Return a value that is a table, as it is.

    Raises:
        InvalidInput: If it is none, or holds a date.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} must be a table, not {value!r}")
    moment = next((key for key, each in value.items() if isinstance(each, (date, time))), None)
    if moment is not None:
        raise InvalidInput(f"{where}.{moment} is a date: write it as text, in quotes")
    return value


_NESTED: Final[Mapping[str, Callable[[object, str], object]]] = {
    "checks": lambda value, where: [of_kind(CHECKS, each, where) for each in _list(value, where)],
    "liveness": lambda value, where: of_kind(PROBES, value, where),
    "probes": lambda value, where: made(Probes, value, where),
    "readiness": lambda value, where: of_kind(PROBES, value, where),
    "tls": lambda value, where: made(TLS, value, where),
}


def _value(name: str, value: object, where: str) -> object:
    if name in _NESTED:
        return _NESTED[name](value, where)
    if name in _MAPPINGS:
        return {key: _secret(each) for key, each in table(value, where).items()}
    if name.endswith("_ms"):
        duration = seconds(value)
        return round(duration / timedelta(milliseconds=1)) if isinstance(duration, timedelta) else value
    return tuple(value) if isinstance(value, list) else _secret(value)


def _secret(value: object) -> object:
    if isinstance(value, dict) and len(value) == 1 and set(value) <= {"env", "file"}:
        ((source, key),) = value.items()
        return SecretRef(source, key)
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise InvalidInput(f"{where} must be a list of tables, not {value!r}")
    return value

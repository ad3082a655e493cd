"""What a guard needs to go forward with a plan that names callables: a module that declares them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast, final

from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from types import ModuleType

    from fairdeploy.protocols import Database, HealthCheck, MetricSource

__all__ = ["Bindings", "load_bindings"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What is given to `Deployer` under the same names.

    Args:
        checks: Callables by name.
        sources: Of metrics, by name.
        databases: By name: without them a guard takes the application back, and cannot look at its database.
    """

    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    sources: Mapping[str, MetricSource] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)


def load_bindings(module: str) -> Bindings:
    """Return the ``checks``, ``sources`` and ``databases`` of a module, as given to `Deployer`; some may be missing.

    Raises:
        InvalidInput: If the module cannot be imported, or declares none of them.
    """
    try:
        found = importlib.import_module(module)
    except Exception as error:
        # Whatever a foreign module raises while it is imported, the reason is the same for whoever asked.
        msg = f"module {module!r} cannot be imported ({type(error).__name__}: {error}): is it on PYTHONPATH?"
        raise InvalidInput(msg) from error
    if not any(hasattr(found, name) for name in ("checks", "sources", "databases")):
        msg = (
            f"module {module!r} must declare 'checks', 'sources' or 'databases', or several of them: mappings of names, as given "
            "to Deployer"
        )
        raise InvalidInput(msg)
    return Bindings(
        checks=cast("Mapping[str, HealthCheck]", _declared(found, "checks", "callables", callable)),
        sources=cast("Mapping[str, MetricSource]", _declared(found, "sources", "metric sources", _counts)),
        databases=cast("Mapping[str, Database]", _declared(found, "databases", "databases", _migrates)),
    )


def _migrates(database: object) -> bool:
    return all(callable(getattr(database, name, None)) for name in ("observe", "migrate", "restore"))


def _counts(source: object) -> bool:
    return callable(getattr(source, "counters", None)) and callable(getattr(source, "configuration", None))


def _declared(
    module: ModuleType, name: str, what: str, fits: Callable[[object], bool]
) -> Mapping[str, object]:
    found = getattr(module, name, {})
    if not isinstance(found, Mapping) or not all(
        isinstance(key, str) and fits(value) for key, value in found.items()
    ):
        msg = f"module {module.__name__!r} must declare {name!r} as a mapping of names to {what}, as given to Deployer"
        raise InvalidInput(msg)
    return dict(found)

"""What a guard needs to go forward with a plan that names callables: a module that declares them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from fairdeploy.protocols import HealthCheck

__all__ = ["load_checks"]


def load_checks(module: str) -> Mapping[str, HealthCheck]:
    """Return the ``checks`` of a module: a mapping of names to callables, as given to `Deployer`.

    Raises:
        InvalidInput: If the module cannot be imported, or declares none.
    """
    try:
        found = importlib.import_module(module)
    except Exception as error:
        # Whatever a foreign module raises while it is imported, the reason is the same for whoever asked.
        msg = f"module {module!r} cannot be imported ({type(error).__name__}: {error}): is it on PYTHONPATH?"
        raise InvalidInput(msg) from error
    checks = getattr(found, "checks", None)
    if not isinstance(checks, Mapping) or not all(
        isinstance(name, str) and callable(check) for name, check in checks.items()
    ):
        msg = (
            f"module {module!r} must declare 'checks', a mapping of names to callables, as given to Deployer"
        )
        raise InvalidInput(msg)
    return dict(cast("Mapping[str, HealthCheck]", checks))

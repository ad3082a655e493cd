"""What is said when an extra is missing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fairdeploy.errors import MissingDependency

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["needed"]


def needed(module: str, extra: str) -> ModuleType:
    """Import a library that an extra brings.

    Raises:
        MissingDependency: If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise MissingDependency(f'{library!r} is not installed: pip install "fairdeploy[{extra}]"') from error

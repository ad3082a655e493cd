"""What every program of a keeper has in common."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy.backends.local import launch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["INHERITED", "launching", "minimum"]

INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
"""Variables that programs get from the deploying process. Everything else is to be given in `Release.env`."""


def minimum() -> dict[str, str]:
    """Return the variables that a program inherits from this process."""
    return {key: os.environ[key] for key in INHERITED if key in os.environ}


def _as_is(folder: Path) -> str:
    return str(folder)


def launching(spec: str, name_folder: Callable[[Path], str] = _as_is) -> tuple[str, ...]:
    """Return the argument vector that becomes what a spec says.

    Isolated and without site packages, the interpreter starts in a fifth of the time. Its path is made
    plain folder by folder: the link in a virtual environment must be found where it is.
    """
    python, script = Path(sys.executable), Path(launch.__file__)
    return (
        f"{name_folder(python.parent)}/{python.name}",
        "-I",
        "-S",
        f"{name_folder(script.parent)}/{script.name}",
        spec,
    )

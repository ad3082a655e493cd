"""What every program of a keeper has in common."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairdeploy.errors import StartError
from fairdeploy.host import _ini, launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairdeploy.protocols.keeper import Program

__all__ = ["INHERITED", "check", "launching", "minimum"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,199}")
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


def check(program: Program) -> None:
    """Prove that a keeper can keep a program.

    Raises:
        StartError: If its name, arguments, working directory or log are unusable.
    """
    if not _NAME.fullmatch(program.name):
        raise StartError(f"program name {program.name!r} must be 1 to 200 of letters, digits and '._@+-'")
    if not program.argv:
        raise StartError(f"program {program.name!r} has no argv: give the program and its arguments")
    if not Path(program.cwd).is_dir():
        raise StartError(
            f"program {program.name!r} cannot run in {program.cwd!r}: that folder does not exist"
        )
    if not Path(program.log).is_absolute() or not _ini.plain(Path(program.log).name):
        raise StartError(
            f"program {program.name!r}: log {program.log!r} must be an absolute path with a plain name"
        )

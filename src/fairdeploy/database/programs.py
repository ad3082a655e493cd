"""Running PostgreSQL's own programs: argument lists, no shell, the password in the environment only."""

from __future__ import annotations

import re
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import DatabaseError, MissingDependency
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from fairdeploy.database.address import DatabaseAddress

__all__ = ["major_of", "ran", "tool_of"]

_SECONDS: Final = 6 * 3600.0
"""Longest that one program may take; a dump of a large database takes hours."""


async def ran(address: DatabaseAddress, program: str, *arguments: str, seconds: float = _SECONDS) -> str:
    """Run a program to its end and return what it printed. Cancelled, it is killed.

    Raises:
        MissingDependency: If it is not there.
        DatabaseError: If it fails; with its last words.
        DeadlineExceeded: If it takes longer than ``seconds``.
    """
    path, password = _found(address, program), address.secret()
    done = await run_to_end(
        [path, *arguments],
        within=seconds,
        env=address.environment(),
        secrets=[] if password is None else [password],
    )
    if done.status != 0:
        msg = f"{program} on {address.dsn!r} failed with exit code {done.status}: {done.complaint}"
        raise DatabaseError(msg)
    return done.printed


async def major_of(address: DatabaseAddress, program: str) -> int:
    """Return the major version of a program."""
    said = await ran(address, program, "--version", seconds=60)
    found = re.search(r"(\d+)(?:\.|devel|beta|rc|\s|$)", said.partition(")")[2] or said)
    if found is None:
        msg = f"{program} says no version: {said[:80]!r}"
        raise DatabaseError(msg)
    return int(found[1])


def tool_of(name: str) -> str | None:
    """Return where a tool is that may have come as a wheel: beside Python, or on ``PATH``; ``None``: nowhere."""
    beside = Path(sysconfig.get_path("scripts")) / name
    return str(beside) if beside.exists() else shutil.which(name)


def _found(address: DatabaseAddress, program: str) -> str:
    folder: Path | None = address.programs
    path = shutil.which(program) if folder is None else shutil.which(program, path=str(folder))
    if path is None:
        where = "on PATH" if folder is None else f"in {str(folder)!r}"
        msg = f"there is no {program!r} {where}: install PostgreSQL's client programs, or say where with programs="
        raise MissingDependency(msg)
    return path

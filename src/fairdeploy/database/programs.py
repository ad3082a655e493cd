"""Running PostgreSQL's own programs: argument lists, no shell, the password in the environment only."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import DatabaseError, DeadlineExceeded, MissingDependency

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.database.address import DatabaseAddress

__all__ = ["major_of", "ran"]

_LAST: Final = 2_000
"""Characters of a program's complaint that are shown."""
_SECONDS: Final = 6 * 3600.0
"""Longest that one program may take; a dump of a large database takes hours."""


async def ran(address: DatabaseAddress, program: str, *arguments: str, seconds: float = _SECONDS) -> str:
    """Run a program to its end and return what it printed. Cancelled, it is killed.

    Raises:
        MissingDependency: If it is not there.
        DatabaseError: If it fails; with its last words.
        DeadlineExceeded: If it takes longer than ``seconds``.
    """
    path = _found(address, program)
    try:
        with anyio.fail_after(seconds):
            done = await anyio.run_process(
                [path, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(address.environment()),
            )
    except TimeoutError as error:
        msg = f"{program} on {address.dsn!r} did not end within {seconds:g} s"
        raise DeadlineExceeded(msg) from error
    except OSError as error:
        msg = f"{path!r} cannot be run ({error.strerror}): see its mode, or give programs="
        raise MissingDependency(msg) from error
    if done.returncode != 0:
        said = address.hide(done.stderr.decode(errors="replace").strip())[-_LAST:]
        msg = f"{program} on {address.dsn!r} failed with exit code {done.returncode}: {said}"
        raise DatabaseError(msg)
    return done.stdout.decode(errors="replace")


async def major_of(address: DatabaseAddress, program: str) -> int:
    """Return the major version of a program."""
    said = await ran(address, program, "--version", seconds=60)
    found = re.search(r"(\d+)(?:\.|devel|beta|rc|\s|$)", said.partition(")")[2] or said)
    if found is None:
        msg = f"{program} says no version: {said[:80]!r}"
        raise DatabaseError(msg)
    return int(found[1])


def _found(address: DatabaseAddress, program: str) -> str:
    folder: Path | None = address.programs
    path = shutil.which(program) if folder is None else shutil.which(program, path=str(folder))
    if path is None:
        where = "on PATH" if folder is None else f"in {str(folder)!r}"
        msg = f"there is no {program!r} {where}: install PostgreSQL's client programs, or say where with programs="
        raise MissingDependency(msg)
    return path

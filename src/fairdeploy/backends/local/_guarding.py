"""Whoever acts on a folder sees to it that somebody goes on if it dies."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from fairdeploy.backends.local import _lock, _opening
from fairdeploy.backends.local._guarded import GuardedJournal
from fairdeploy.errors import InvalidInput, StateError
from fairdeploy.protocols.keeper import Program

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from fairdeploy.protocols.journal import Journal
    from fairdeploy.protocols.keeper import Keeper, ProgramState

__all__ = ["guarded", "journal", "wanted"]

_LOG = logging.getLogger("fairdeploy")
_NAME = "guard"
_SECONDS = 60.0
_PAUSE = 0.01
_LAST_LOOK = 2.0
"""Seconds that a guard may take for its last look; one that takes longer is stopped, and another started."""
_GRACE_MS = 30_000
"""Asked to leave, it completes the effect in hand: at the longest, an instance that is being stopped."""
_HANDED_ON = ("PYTHONPATH", "FAIRDEPLOY_ENVOY_BIN")
"""Variables by which this program finds modules and Envoy, and the guard must too."""


def wanted(asked: bool | None, journal: Journal | None, *others: object) -> bool:  # noqa: FBT001 -- as it was asked
    """Whether a guard is to be kept: unless said otherwise, if nothing is given that it would not find.

    Raises:
        InvalidInput: If it is asked for and cannot find the journal.
    """
    if asked and journal is not None:
        raise InvalidInput(
            "a guard opens the folder by its URI and would not find the journal that is given: leave out guard=True"
        )
    return all(each is None for each in (journal, *others)) if asked is None else asked


def journal(records: Journal, keeper: Keeper, folder: Path, bindings: str | None) -> Journal:
    """Return a folder's journal that sees to a guard.

    Raises:
        InvalidInput: If ``bindings`` is no name of a module.
    """
    if bindings is not None and not all(part.isidentifier() for part in bindings.split(".")):
        raise InvalidInput(f"bindings {bindings!r} is no name of a module: give one such as 'shop.bindings'")
    return GuardedJournal(records, partial(guarded, keeper, folder, bindings))


@asynccontextmanager
async def guarded(keeper: Keeper, folder: Path, bindings: str | None) -> AsyncGenerator[None]:
    """See that a guard is kept, and that it does not leave before the block has ended.

    Guards with different bindings are kept beside each other: several are safe.

    Raises:
        StartError: If the keeper refuses it.
        StateError: If the folder cannot be used.
    """
    name = _NAME if bindings is None else f"{_NAME}.{bindings}"
    door = folder / f"{name}.door"
    try:
        fd = os.open(door, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"lock {str(door)!r} cannot be opened ({error.strerror}): give a folder that this user can write to"
        ) from error
    try:
        with anyio.move_on_after(_LAST_LOOK):
            while not _shared(fd):  # noqa: ASYNC110 -- a file lock cannot be awaited
                await anyio.sleep(_PAUSE)
        async with _lock.held(folder / f"{name}.lock", seconds=_SECONDS):
            await _keep(keeper, folder, name, _program(folder, name, bindings), fd)
        yield
    finally:
        os.close(fd)


def _shared(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _keep(keeper: Keeper, folder: Path, name: str, program: Program, fd: int) -> None:
    state = (await keeper.states()).get(name)
    if state is not None and _has_left(state, os.pread(fd, 32, 0).decode(errors="replace")):
        await keeper.stop(name)
        state = None
    if state is None:
        _LOG.info("starting a guard for %r: its log is %r", str(folder), program.log)
        await keeper.start(program)


def _has_left(state: ProgramState, last: str) -> bool:
    """Whether a guard is done. The keeper may not have heard of it yet, but its own last word tells."""
    return state.phase == "exited" or (state.pid is not None and last == str(state.pid))


def _program(folder: Path, name: str, bindings: str | None) -> Program:
    module = () if bindings is None else ("--module", bindings)
    door = str(folder / f"{name}.door")
    return Program(
        name=name,
        argv=(
            sys.executable,
            "-P",
            "-m",
            "fairdeploy.guard",
            _opening.uri_of(folder),
            "--door",
            door,
            *module,
        ),
        cwd=str(folder),
        log=str(folder / f"{name}.log"),
        env={key: os.environ[key] for key in _HANDED_ON if key in os.environ},
        log_bytes=1_000_000,
        stop_grace_ms=_GRACE_MS,
        restart="on-failure",
    )

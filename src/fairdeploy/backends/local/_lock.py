"""One at a time, between processes: the kernel lets go when a holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import BackendError, StateError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

_PAUSE = 0.01


@asynccontextmanager
async def held(path: Path, *, seconds: float) -> AsyncGenerator[None]:
    """Hold a lock file, waiting for at most so many seconds.

    Raises:
        BackendError: If another holds it for longer (it may be stopped, not dead).
        StateError: If the file cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"lock {str(path)!r} cannot be opened ({error.strerror}): give a folder that this user can write to"
        ) from error
    try:
        with anyio.move_on_after(seconds) as scope:
            while not _taken(fd):  # noqa: ASYNC110 -- a file lock cannot be awaited
                await anyio.sleep(_PAUSE)
        if scope.cancelled_caught:
            raise BackendError(
                f"lock {str(path)!r} is held by another process for over {seconds:g} s: find it with lsof, then end it"
            )
        yield
    finally:
        os.close(fd)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

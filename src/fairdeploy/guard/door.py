"""Leaving without missing whoever comes at that moment."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import final

from fairdeploy.errors import StateError

__all__ = ["Door"]


@final
class Door:
    """A file whose lock whoever begins a rollout shares, from its look whether the guard runs until it has begun.

    The guard takes its last look with the door shut, and keeps it shut until its process has ended: who
    begins either is seen by that look, or finds by the file that this guard has left.

    Args:
        path: The lock file; ``None``: there is nobody to be missed.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fd: int | None = None

    def shut(self) -> bool:
        """Shut it and say so in the file; ``False`` if somebody is about to begin.

        Raises:
            StateError: If the file cannot be used.
        """
        if self._path is None or self._fd is not None:
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"lock {str(self._path)!r} cannot be opened ({error.strerror}): give a file that this user can write to"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return True

    def open(self) -> None:
        """Open it, first of all and when something has come up: whoever has left before, this one has not."""
        if self._path is not None and self._path.exists():
            os.truncate(self._path, 0)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

"""Who holds a lock, and what to do if that process stands still.

The kernel takes a lock from a process that dies, but not from one that is stopped (SIGSTOP, Ctrl-Z). All our locks are
held for moments, so a stopped holder needs only a moment to give one back: whoever waits lets it run until then, and
stops it again. It completes what it was in the middle of; it is not ended, and it does not stay awake.
"""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, final

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["Lock", "Locker", "continued", "flocked", "locker"]

_LOCKS: Final = Path("/proc/locks")
_PROC: Final = Path("/proc")
_PAUSE: Final = 0.01
_LOOK: Final = 0.5
"""Seconds after which it is looked whether the holder of a lock stands still."""


@final
@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that keeps others out.

    Args:
        path: The file that it is on. It is never opened for a look: closing it again would drop this process's locks.
        kind: ``POSIX``: of `fcntl`; ``FLOCK``: of `flock`.
        first: First byte of the range that it overlaps; of ``POSIX`` only.
        last: Last byte.
    """

    path: Path
    kind: Literal["POSIX", "FLOCK"]
    first: int = 0
    last: int = 0


@final
@dataclass(frozen=True, slots=True)
class Locker:
    """A process that holds a lock.

    Args:
        pid: Its number.
        stopped: Whether it stands still and SIGCONT would continue it.
    """

    pid: int
    stopped: bool

    def __str__(self) -> str:
        """Return who it is, and, if it stands still, what to do."""
        if self.stopped:
            return (
                f"process {self.pid}, which is stopped: continue it with `kill -CONT {self.pid}`, or end it"
            )
        return f"process {self.pid}"


def locker(*locks: Lock) -> Locker | None:
    """Return which process holds one of some locks right now; ``None`` if none does, or the system does not tell."""
    try:
        lines = _LOCKS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for lock in locks:
        try:
            inode = lock.path.stat().st_ino
        except OSError:
            continue
        for line in lines:
            pid = _holds(line, lock, inode)
            if pid:
                return Locker(pid, stopped=_stands_still(pid))
    return None


def _holds(line: str, lock: Lock, inode: int) -> int:
    """Return the process that a line of ``/proc/locks`` says holds the lock; 0 if it says something else."""
    # proc_locks(5): "1: POSIX ADVISORY WRITE 4711 fd:00:123456 120 120". Who waits has an arrow after the number.
    match line.split():
        case [_, kind, _, "WRITE", pid, device, first, last, *_] if (
            kind == lock.kind
            and device.rpartition(":")[2] == str(inode)
            and pid.isdecimal()  # -1: of another container
            and int(first) <= lock.last
            and (last == "EOF" or int(last) >= lock.first)
        ):
            return int(pid)
    return 0


def _stands_still(pid: int) -> bool:
    try:
        state = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] == "T"  # "t" is in a debugger's hands


@contextmanager
def continued(*locks: Lock) -> Iterator[bool]:
    """Let the process that holds one of some locks run until the block ends, if it is stopped and may be continued.

    Yields:
        Whether there was one. It is stopped again at the end of the block.
    """
    fd = _stopped_holder(locks)
    if fd is None:
        yield False
        return
    try:
        if not _told(fd, signal.SIGCONT):
            yield False
            return
        try:
            yield True
        finally:
            _told(fd, signal.SIGSTOP)
    finally:
        os.close(fd)


def _stopped_holder(locks: tuple[Lock, ...]) -> int | None:
    """Return a descriptor of the stopped process that holds a lock: it stays that process, whatever becomes of its number."""
    found = locker(*locks)
    if found is None or not found.stopped or found.pid == os.getpid():
        return None
    try:
        fd = os.pidfd_open(found.pid)
    except OSError:
        return None
    # The number was that process's own a moment ago, and inodes have the same number on other disks.
    if locker(*locks) == found and any(_has_open(found.pid, lock.path) for lock in locks):
        return fd
    os.close(fd)
    return None


def _has_open(pid: int, path: Path) -> bool:
    try:
        wanted = path.stat()
        opened = [*(_PROC / str(pid) / "fd").iterdir()]
    except OSError:
        return False  # gone, or somebody else's
    return any(_is_file(each, wanted) for each in opened)


def _is_file(link: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(link.stat(), wanted)
    except OSError:
        return False


def _told(fd: int, number: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False  # gone, or somebody else's
    return True


@asynccontextmanager
async def flocked(path: Path, *, seconds: float) -> AsyncIterator[int]:
    """Hold a lock file, waiting for at most so many seconds. The kernel lets go when a holder dies.

    A holder that stands still is let run until it gives the lock back; see `continued`.

    Yields:
        The descriptor: a child that it is passed to holds the lock as well, until it ends.

    Raises:
        TimeoutError: If another holds it for longer; the text says which process.
        OSError: If the file cannot be opened.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _flock(fd, Lock(path, "FLOCK"), seconds)
        yield fd
    finally:
        os.close(fd)


async def _flock(fd: int, lock: Lock, seconds: float) -> None:
    began = anyio.current_time()
    look = began + _LOOK
    with ExitStack() as stack:
        while not _taken(fd):
            now = anyio.current_time()
            if now - began > seconds:
                raise TimeoutError(str(locker(lock) or "a process that cannot be told"))
            if now > look:
                # Once continued it stays so: whoever holds the lock then gives it back by itself.
                look = float("inf") if stack.enter_context(continued(lock)) else now + _LOOK
            await anyio.sleep(_PAUSE)  # a file lock cannot be awaited


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

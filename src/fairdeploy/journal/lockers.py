"""Who keeps a SQLite journal locked, as far as the system tells."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["locker"]

_LOCKS: Final = Path("/proc/locks")
_WRITE_LOCK: Final = 120
"""Byte of the ``-shm`` file that whoever writes has locked (sqlite.org/walformat.html, section 2.3.2)."""


def locker(path: Path) -> str:
    """Return which process writes to a journal right now, and whether it is stopped; empty if that cannot be told.

    The file is not opened for it: closing it again would drop the locks that this process has.

    Args:
        path: The journal's file.
    """
    try:
        inode = path.with_name(f"{path.name}-shm").stat().st_ino
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        # proc_locks(5): "1: POSIX ADVISORY WRITE 4711 fd:00:123456 120 120"
        match line.split():
            case [_, "POSIX", _, "WRITE", pid, device, first, last, *_] if (
                device.rpartition(":")[2] == str(inode)
                and first.isdigit()
                and int(first) <= _WRITE_LOCK
                and (last == "EOF" or int(last) >= _WRITE_LOCK)
            ):
                return _described(pid)
    return ""


def _described(pid: str) -> str:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return f"process {pid}"
    if state in {"T", "t"}:
        return f"process {pid}, which is stopped: continue it with `kill -CONT {pid}`, or end it"
    return f"process {pid}"

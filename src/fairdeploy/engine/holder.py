"""Who holds a lease, said so that others on the same machine can tell a dead holder at once."""

from __future__ import annotations

import getpass
import os
import socket
from functools import cache
from pathlib import Path

__all__ = ["holder_is_dead", "this_holder", "who"]

_PROC = Path("/proc")


def who() -> str:
    """Return ``user@host:pid``, for people."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}"


def this_holder() -> str:
    """Return this process's identity: `who`, boot id, pid namespace and start time.

    A process id alone is used again after a while, and means another process in another
    container or after a reboot.
    """
    return f"{who()} boot={_boot()} ns={_namespace()} start={_started(os.getpid())}"


def holder_is_dead(holder: str) -> bool:
    """Whether a holder is known to be gone. ``False`` whenever that cannot be told from here."""
    name, _, rest = holder.partition(" ")
    try:
        facts = dict(part.split("=", 1) for part in rest.split())
        host, pid = name.split("@", 1)[1].rsplit(":", 1)
        number = int(pid)
    except (ValueError, IndexError):
        return False
    if host != socket.gethostname() or not facts.get("boot") or not _boot():
        return False
    if facts["boot"] != _boot():
        return True
    if facts.get("ns") != _namespace():
        return False
    return facts.get("start") != _started(number)


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return a process's start time in clock ticks since boot (field 22 of ``stat``, proc(5)); ``-`` if it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return "-"
    fields = stat.rpartition(")")[2].split()
    state = fields[0]
    return "-" if state in {"Z", "X"} else fields[19]

"""Which process is which: a pid alone is given to another sooner or later."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

from fairdeploy.host.launch import boot_id, start_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairdeploy.model.canonical import JSON

MARK = "FAIRDEPLOY_KEEPER"
"""Variable in the environment of everything that a keeper of ours has started."""
_DYING = 10.0
"""Seconds that what was sent SIGKILL may take to go: a busy machine gives it no time to die in."""


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """A process that is never mistaken for another.

    Args:
        pid: Its number.
        start: When it began, in clock ticks since boot.
        boot: Of which run of the machine.
    """

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return the identity of a running process, or ``None`` if it does not run."""
        start = start_time(pid)
        return None if start is None else cls(pid, start, boot_id())

    @classmethod
    def read(cls, record: Mapping[str, JSON] | None) -> Identity | None:
        """Return the identity that a record tells, or ``None`` if it tells none."""
        match record:
            case {"pid": int(pid), "start": int(start), "boot": str(boot)}:
                return cls(pid, start, boot)
            case _:
                return None

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self.boot == boot_id() and start_time(self.pid) == self.start

    def record(self) -> dict[str, JSON]:
        """Return what `read` understands."""
        return {"pid": self.pid, "start": self.start, "boot": self.boot}

    def kill(self) -> bool:
        """Send SIGKILL to this very process; return whether it was there."""
        return _kill_if(self.pid, lambda: self.alive)


def _kill_if(pid: int, condition: Callable[[], bool]) -> bool:
    """Kill a process that still answers to a condition: the descriptor holds the number fast in between."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not condition():
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def _marked(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False  # gone, or somebody else's


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def marked(mark: str, *, group: int | None = None) -> list[int]:
    """List the processes that carry a mark, of one process group or of all, apart from this one."""
    wanted = f"{MARK}={mark}".encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [
        pid
        for pid in pids
        if pid != os.getpid() and (group is None or _group(pid) == group) and _marked(pid, wanted)
    ]


def kill_marked(mark: str, *, group: int | None = None) -> int:
    """Kill the processes that carry a mark until there are none; return how many there were."""
    wanted = f"{MARK}={mark}".encode()
    killed, nobody, until = set[int](), False, time.monotonic() + _DYING
    while time.monotonic() < until:  # each may have started others in the meantime
        found = [pid for pid in marked(mark, group=group) if start_time(pid) is not None]
        if not found and nobody:
            break
        # Once is not enough: what is just being executed shows no environment for a moment.
        nobody = not found
        killed |= {pid for pid in found if _kill_if(pid, partial(_marked, pid, wanted))}
        for pid in found:
            _await_end(pid, until)
    return len(killed)


def _await_end(pid: int, until: float) -> None:
    """Wait until a process has ended, or a time has come."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            ended = select.poll()
            ended.register(fd, select.POLLIN)
            ended.poll(max(0.0, until - time.monotonic()) * 1_000)
        finally:
            os.close(fd)

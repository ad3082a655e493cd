"""Stopping a program in the very moment in which it holds a lock."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from fairdeploy.system import locker

if TYPE_CHECKING:
    from fairdeploy.system import Lock

__all__ = ["stands_still", "stopped_holding"]

_SECONDS = 60
_MOMENT = 0.002
_TURN = 60


async def stopped_holding(pid: int, *locks: Lock) -> None:
    """Send SIGSTOP to a program as it holds one of some locks, and again until it stands still with it."""
    with anyio.fail_after(_SECONDS):
        while True:
            found = locker(*locks)
            if found is None or found.pid != pid:
                await anyio.lowlevel.checkpoint()
                continue
            os.kill(pid, signal.SIGSTOP)
            await stands_still(pid)
            found = locker(*locks)
            if found is not None and found.pid == pid and found.stopped:
                return
            os.kill(pid, signal.SIGCONT)


async def stands_still(pid: int) -> bool:
    """Return whether a program is stopped: one that was told to may need a turn on a busy processor until it is."""
    with anyio.move_on_after(_TURN):
        while not await _stopped(pid):  # noqa: ASYNC110 -- nobody is told
            await anyio.sleep(_MOMENT)
    return await _stopped(pid)


async def _stopped(pid: int) -> bool:
    told = await anyio.Path(f"/proc/{pid}/stat").read_text()
    return told.rpartition(")")[2].split()[0] == "T"

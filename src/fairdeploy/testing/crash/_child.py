"""A program that deploys, and stands still at one boundary until it is killed or woken."""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine import Deployer
from fairdeploy.errors import FairdeployError
from fairdeploy.testing.crash.boundaries import gated, gated_database
from fairdeploy.testing.crash.house import Furnished
from fairdeploy.testing.crash.stories import stories_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.testing.crash.house import CrashHouse

__all__ = ["RECOVER", "Task", "carry_out", "tell"]

RECOVER = "recover"
"""The story of a program that finds what another one has left."""
_LOOK_AGAIN = 0.05
_STDOUT = 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a program is to do.

    Args:
        story: One of the house's, or `RECOVER`.
        version: Of the release.
        stop_at: A boundary's name, or which boundary from the first one on; ``None``: none.
        lease: Time to live of its leases, in seconds.
    """

    story: str
    version: str
    stop_at: str | int | None
    lease: float


def tell(**words: object) -> None:
    """Say a line. One write of less than a page is never torn, whoever else writes to the pipe."""
    os.write(_STDOUT, json.dumps({"pid": os.getpid(), **words}).encode() + b"\n")


@final
class _Stop:
    """A gate at which the whole process stops: all its threads, as SIGSTOP does."""

    def __init__(self, stop_at: str | int | None) -> None:
        self._stop_at = stop_at
        self._met: Counter[str] = Counter()

    async def at(self, boundary: str) -> None:
        self._met[boundary] += 1
        name = f"{boundary} #{self._met[boundary]}"
        here = self._stop_at in {name, self._met.total()}
        tell(at=name, here=here)
        if here:
            # To this thread: it does not come back from the call before it has stopped.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        # It may be stopped in the middle of what its other tasks do, with any lock in its hands.
        yield


async def _act(house: CrashHouse, task: Task) -> None:
    async with house.open() as backend:
        gate = _Stop(task.stop_at)
        held = house.databases() if isinstance(house, Furnished) else {}
        databases = {name: gated_database(each, gate) for name, each in held.items()}
        deployer = Deployer(gated(backend, gate), databases=databases, lease=task.lease, validate=False)
        if task.story != RECOVER:
            await stories_of(house)[task.story].deed(deployer, house, task.version)
            return
        while True:
            await deployer.recover()
            if not await backend.journal.rollouts(unfinished=True):
                return
            await anyio.sleep(_LOOK_AGAIN)


def carry_out(house: CrashHouse, task: Task) -> int:
    """Do it; return the exit status. A rollout that did not end as wished is no failure of the program."""
    try:
        anyio.run(_act, house, task)
    except FairdeployError as error:
        tell(said=f"{type(error).__name__}: {error}")
    except BaseException:  # noqa: BLE001 -- the last words of a program that is about to exit
        tell(crashed=traceback.format_exc()[-3_000:])
        return 1
    return 0

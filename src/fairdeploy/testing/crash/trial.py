"""One crash point: a program dies there, another one recovers, and what is there then is judged."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import anyio

from fairdeploy.engine import Deployer
from fairdeploy.errors import FairdeployError
from fairdeploy.testing.crash._child import RECOVER
from fairdeploy.testing.crash.house import Furnished
from fairdeploy.testing.crash.nursery import nursery
from fairdeploy.testing.crash.stories import first, stories_of
from fairdeploy.testing.crash.verdict import Before, complaints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.protocols import Backend
    from fairdeploy.testing.crash.house import CrashHouse, Housing
    from fairdeploy.testing.crash.nursery import Mortal, Nursery
    from fairdeploy.testing.load import LoadProcess

__all__ = ["Death", "Fault", "Finding", "Stage", "count_boundaries", "staged", "try_point"]

Death: TypeAlias = Literal["kill", "stop"]
Fault: TypeAlias = tuple[Death, ...]
"""How each program ends: ``kill`` is SIGKILL; ``stop`` is SIGSTOP, and SIGCONT when all is over. The second one is the
one that recovers."""

_WITHIN = 60.0
_LEASE = 15.0
_SHORT_LEASE = 1.0
"""Seconds after which a stopped program's rollout may be taken over: the least there is."""
_LOOK_AGAIN = 0.05
_TOLD_AFTER = 0.25
"""Seconds after which the visitors know what was lost."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one point.

    Args:
        story: What the program did.
        fault: How it, and its successor, were ended.
        places: The boundaries at which they were; fewer than ``fault`` if one came to its end without passing there.
        wrong: What is not as it must be, each a sentence; empty if all is well.
    """

    story: str
    fault: Fault
    places: tuple[str, ...]
    wrong: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether every death came about."""
        return len(self.places) == len(self.fault)

    def __str__(self) -> str:
        """Return it as a line."""
        what = ", ".join(f"{how} {where!r}" for how, where in zip(self.fault, self.places, strict=False))
        return f"{self.story}: {what or 'no death'}: {'; '.join(self.wrong) or 'as it must be'}"


@final
@dataclass(slots=True)
class Stage:
    """A house that stands, with a first revision in it, and programs to die there. Made by `staged`.

    Args:
        house: Where.
        backend: As the programs that are left alone see it.
        nursery: Where the others come from.
        load: The visitors, if there are any.
        by_design: Requests that were lost in stories that have downtime.
    """

    house: CrashHouse
    backend: Backend
    nursery: Nursery
    load: LoadProcess | None = None
    deployer: Deployer = field(init=False)
    by_design: int = 0
    _number: int = 0

    def __post_init__(self) -> None:
        """Make a deployer that does not die."""
        databases = self.house.databases() if isinstance(self.house, Furnished) else {}
        self.deployer = Deployer(self.backend, databases=databases, validate=False)

    def version(self) -> str:
        """Return a version that was not there before."""
        self._number += 1
        return f"v{self._number}"

    async def lost(self) -> int:
        """Return how many requests were lost up to now, once the visitors have told."""
        if self.load is None:
            return 0
        since = time.monotonic() + _TOLD_AFTER
        with anyio.fail_after(_WITHIN):
            while (told := self.load.snapshot()).running and told.started + told.seconds < since:  # noqa: ASYNC110 -- it comes from another process
                await anyio.sleep(_LOOK_AGAIN)
        return told.lost

    @asynccontextmanager
    async def watched(self, story: str) -> AsyncIterator[None]:
        """Count apart what is lost in a story that has downtime."""
        if not stories_of(self.house)[story].downtime:
            yield
            return
        before = await self.lost()
        yield
        self.by_design += await self.lost() - before


@asynccontextmanager
async def staged(housing: Housing) -> AsyncIterator[Stage]:
    """Open a house, deploy a first revision, let visitors in, and keep a nursery beside it.

    Args:
        housing: How the house is made.

    Yields:
        The stage.
    """
    house = housing.make()
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(house.open())
        stage = Stage(house, backend, await stack.enter_async_context(nursery(housing)))
        await first(stage.deployer, house, stage.version())
        if (load := house.load()) is not None:
            stage.load = await stack.enter_async_context(load)
        yield stage


async def _before(stage: Stage, story: str) -> Before:
    if (before := stories_of(stage.house)[story].before) is not None:
        await before(stage.deployer, stage.house, stage.version())
    return await Before.of(stage.backend, stage.house.target)


async def count_boundaries(stage: Stage, story: str) -> tuple[str, ...]:
    """Let a program come to its end, and return the boundaries that it has passed.

    Raises:
        FairdeployError: If it did not end well.
    """
    before = await _before(stage, story)
    version = stage.version()
    program = await stage.nursery.begin(story, version)
    if await program.ended(_WITHIN) or program.said:
        raise FairdeployError(f"story {story!r} did not come to its end: {program.said}")
    wrong = await complaints(stage.backend, stage.house, before, version, story)
    if wrong:
        raise FairdeployError(f"story {story!r} ends wrongly without any death: {'; '.join(wrong)}")
    return tuple(program.boundaries)


async def try_point(stage: Stage, story: str, fault: Fault, *at: str | int) -> Finding:
    """Let a program die at a boundary, and its successor too if the fault says so; recover, and judge.

    Args:
        stage: Where.
        story: What the program does.
        fault: How it is ended, and how its successor is.
        at: At which boundaries, by name or place; one for each death.
    """
    before, version = await _before(stage, story), stage.version()
    sleepers: list[Mortal] = []
    places: list[str] = []
    wrong: list[str] = []
    try:
        for doing, how, where in zip((story, RECOVER), fault, at, strict=False):
            lease = _SHORT_LEASE if how == "stop" else _LEASE
            program = await stage.nursery.begin(doing, version, stop_at=where, lease=lease)
            if not (place := await program.reached(_WITHIN)):
                break
            places.append(place)
            if how == "kill":
                await program.kill()
            else:
                sleepers.append(program)
        await _recovered(stage)
        for program in reversed(sleepers):
            await program.wake()
            if status := await program.ended(_WITHIN):
                wrong.append(f"the program that woke ended with {status}: {program.said}")
        # Nobody may have left anything to do, the woken least of all.
        await _recovered(stage)
    except FairdeployError as error:
        wrong.append(f"{type(error).__name__}: {error}")
    wrong += await complaints(stage.backend, stage.house, before, version, story)
    return Finding(story=story, fault=fault, places=tuple(places), wrong=tuple(wrong))


async def _recovered(stage: Stage) -> None:
    """Recover as another program until nothing is left; a stopped program's lease has to expire first."""
    with anyio.fail_after(_WITHIN):
        while True:
            await stage.deployer.recover()
            if not await stage.backend.journal.rollouts(unfinished=True):
                return
            await anyio.sleep(_LOOK_AGAIN)

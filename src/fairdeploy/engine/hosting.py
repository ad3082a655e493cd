"""Running a rollout inside the caller's scope, without ever letting go of it half-way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio

from fairdeploy.engine.control import Leave, Stop
from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.rollout import Rollout
from fairdeploy.engine.runner import Direction, drive
from fairdeploy.errors import FairdeployError

if TYPE_CHECKING:
    from fairdeploy.engine.run import Run
    from fairdeploy.protocols import Journal

__all__ = ["OnExit", "OnLeave", "hosted"]

OnExit: TypeAlias = Literal["abort", "detach"]
OnLeave: TypeAlias = Literal["abort", "detach", "leave"]
"""``leave``: once the effect in hand is complete, act no more, as if this process had died."""


@asynccontextmanager
async def hosted(
    run: Run, journal: Journal, *, on_exit: OnLeave, direction: Direction = "forward", since: int = 0
) -> AsyncIterator[Rollout]:
    """Drive a rollout while the body runs, and until it has ended.

    The body's exception never reaches the task group: the rollout is told to stop, waited
    for under a shield (bounded by the undo deadline), and only then is it raised again.

    Raises:
        JournalError: If the journal could not be written to the end.
    """
    trouble: list[FairdeployError] = []

    async def shielded() -> None:
        with anyio.CancelScope(shield=True):
            try:
                await drive(run, journal, direction, since=since)
            except FairdeployError as error:
                trouble.append(error)
                # Nobody drives it any more: a body that waits for its end would wait for ever.
                tasks.cancel_scope.cancel()
            finally:
                run.over.set()
                feed_of(journal).wake()

    left: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shielded)
        try:
            yield Rollout(run.id, run.history.plan, journal)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again below, when the traffic is safe
            left = error
        if (stop := _why_stop(on_exit, left)) is not None:
            run.control.stop(stop)
        with anyio.CancelScope(shield=True):
            await run.over.wait()
        if trouble and isinstance(left, anyio.get_cancelled_exc_class()):
            raise left  # to the scope that was cancelled above
    if trouble and (left is None or isinstance(left, anyio.get_cancelled_exc_class())):
        raise trouble[0]
    if left is not None:
        raise left


def _why_stop(on_exit: OnLeave, left: BaseException | None) -> Stop | Leave | None:
    if on_exit == "detach":
        return Leave(why="detached")
    if left is None:
        return None
    if on_exit == "leave":
        return Leave(why="gone")
    return Stop(outcome="aborted", reason=f"the deploying program left with {type(left).__name__}")

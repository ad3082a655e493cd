"""A rollout step by step, for whoever has workers rather than one process that stays.

Each turn takes the rollout up from the journal, carries one step out by the same engine, and hands the lease on. A turn
that follows no other, because a worker died in it, takes over as `Deployer.recover` does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from fairdeploy.engine.beginning import begun
from fairdeploy.engine.control import Leave
from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.hosting import hosted
from fairdeploy.engine.recoverer import taken_over
from fairdeploy.engine.recovery import direction_of, is_left
from fairdeploy.engine.validating import refuse_invalid
from fairdeploy.errors import Fenced
from fairdeploy.model import Ended, RolloutId, RolloutResult
from fairdeploy.protocols import Baton

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fairdeploy.engine.desk import Desk
    from fairdeploy.engine.lease import OnConflict
    from fairdeploy.engine.run import Run
    from fairdeploy.engine.runner import Direction
    from fairdeploy.model import Event, Plan, TargetId
    from fairdeploy.protocols import Journal, RolloutInfo

__all__ = ["first_turn", "turn"]

_LOOK_AGAIN = 1.0
"""Seconds between two looks at whether whoever else acts still does."""


async def first_turn(
    desk: Desk, plan: Plan, holder: str, *, on_conflict: OnConflict, validate: bool
) -> tuple[RolloutId, Baton]:
    """Begin a rollout: lease and plan in one transaction. Called again, it finds what it has begun.

    Args:
        desk: What to act with.
        plan: The plan.
        holder: Who acts, wherever its turns are: the same for all of them, and nobody else's.
        on_conflict: See `OnConflict`.
        validate: Whether to look first whether it can work.

    Raises:
        Refused: As `Deployer.run` does, before anything has changed.
        JournalError: If the journal cannot be written.
    """
    if validate:
        await refuse_invalid(desk, plan)
    run, _ = await begun(desk, plan, on_conflict, holder=holder)
    return run.id, _handed_on(run)


async def turn(
    desk: Desk,
    journal: Journal,
    target: TargetId,
    rollout: RolloutId,
    *,
    holder: str,
    baton: Baton | None,
    leave: anyio.Event,
) -> Baton | RolloutResult | None:
    """Carry out the next step of a rollout, or its whole way back; return how it ended, or what to hand on.

    Args:
        desk: What to act with.
        journal: Where the rollout is.
        target: The first that its plan names.
        rollout: Its id.
        holder: As given to `first_turn`.
        baton: From the turn before; ``None`` if that was cut off.
        leave: Set it to have the effect in hand completed, and nothing else begun.

    Returns:
        A result at the end; ``None`` if it was left while somebody else was acting.

    Raises:
        Unbound: If it must go forward and a check that it needs is not given.
        JournalError: If the journal cannot be read or written.
    """
    while not leave.is_set():
        events = await journal.read(rollout)
        if (result := _result(events)) is not None:
            return result
        infos = await journal.rollouts(target, unfinished=True)
        info = next((each for each in infos if each.id == rollout and each.open), None)
        if info is None:
            continue  # it has ended between the two looks
        taken = await _taken_up(desk, journal, info, holder=holder, baton=baton)
        if taken is None:
            with anyio.move_on_after(_LOOK_AGAIN):
                news = partial(feed_of(journal).after, rollout, events[-1].seq, kind="ended")
                await _first(news, leave.wait)
            continue
        run, direction, since = taken
        run.stepwise = True
        async with hosted(run, journal, on_exit="leave", direction=direction, since=since):
            await _first(run.over.wait, leave.wait)
            if leave.is_set():
                run.control.stop(Leave(why="gone"))
        if run.history.result is not None:
            return run.history.result
        if run.control.stopped != Leave(why="fenced"):
            return _handed_on(run)
        baton = None  # overtaken: whoever acts now is followed
    return baton


async def _taken_up(
    desk: Desk, journal: Journal, info: RolloutInfo, *, holder: str, baton: Baton | None
) -> tuple[Run, Direction, int] | None:
    events = await journal.read(info.id)
    if baton is not None and baton.epoch == info.epoch:
        try:
            lease = await journal.renew(info.lease(desk.ttl_ms))
        except Fenced:
            return None
        run = desk.run(info.plan, lease, events)
        run.control.skips, run.control.full = baton.skips, baton.full
        back = run.history.undoing is not None and not run.history.promoting
        return run, direction_of(info, run.history, events) if back else "forward", baton.obeyed
    now_ms = round(desk.clock.wall() * 1000)
    # What waits for an approval is nobody else's to go on with.
    if not is_left(info, events, now_ms) and not (info.holder == holder and info.expires_ms <= now_ms):
        return None
    return await taken_over(desk, journal, info, events, holder=holder)


def _handed_on(run: Run) -> Baton:
    control, left = run.control, run.history.left
    return Baton(
        epoch=run.tenure.epoch,
        step=left[0].id if left else "",
        obeyed=control.obeyed,
        skips=control.skips,
        full=control.full,
    )


def _result(events: Sequence[Event]) -> RolloutResult | None:
    return next((event.record.result for event in events if isinstance(event.record, Ended)), None)


async def _first(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait for one of several things."""
    async with anyio.create_task_group() as tasks:

        async def one(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for wait in waits:
            tasks.start_soon(one, wait)

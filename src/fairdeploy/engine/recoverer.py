"""Bringing back what dead programs left, and ending warm windows that are over."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.desk import Desk
from fairdeploy.engine.history import History
from fairdeploy.engine.holder import holder_is_dead, this_holder
from fairdeploy.engine.hosting import OnLeave, hosted
from fairdeploy.engine.lease import begin
from fairdeploy.engine.planning import observed, refuse_unbound
from fairdeploy.engine.recovery import direction_of, is_left, obeyed_until, retirement
from fairdeploy.errors import FairdeployError, JournalError, LeaseHeld, RecordError, UnknownRollout
from fairdeploy.model import Base, Due, RolloutResult, Settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.engine.run import Run
    from fairdeploy.engine.runner import Direction
    from fairdeploy.model import Event
    from fairdeploy.protocols import Journal, Lease, RolloutInfo

__all__ = ["end_windows", "recover_all", "recover_one", "sweep", "taken_over"]

_LOG = logging.getLogger("fairdeploy")
_PATIENCE = 30.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 4.0
"""Seconds between two attempts to take a rollout over: doubled from the one to the other."""


async def recover_all(desk: Desk) -> tuple[RolloutResult, ...]:
    """Recover every rollout that was left, at once, then end the warm windows that are over.

    Raises:
        Unbound: If one must go forward and a check that it needs is not given.
        RecordError: If one cannot be understood, once the others are recovered.
        JournalError: If a journal cannot be read or written.
    """
    found, damaged = _Found(), list[RecordError]()
    known = [(each, await each.rollouts(unfinished=True, damaged=damaged)) for each in desk.journals()]
    async with anyio.create_task_group() as tasks:
        for journal, infos in known:
            for info in infos:
                if info.open and _is_ours(desk, info):
                    tasks.start_soon(found.one, desk, journal, info)
    for journal in desk.journals():
        await sweep(desk, journal)
    # One that cannot be understood keeps no other from being recovered, and is not passed over in silence.
    for error in (*found.errors, *damaged):
        raise error
    return tuple(sorted(found.results, key=lambda result: result.started_ms))


@final
@dataclass(slots=True)
class _Found:
    results: list[RolloutResult] = field(default_factory=list)
    errors: list[FairdeployError] = field(default_factory=list)

    async def one(self, desk: Desk, journal: Journal, info: RolloutInfo) -> None:
        try:
            result = await recover_one(desk, journal, info)
        except FairdeployError as error:
            # One that cannot be recovered must not keep the others from it.
            self.errors.append(error)
            return
        if result is not None:
            self.results.append(result)


def _is_ours(desk: Desk, info: RolloutInfo) -> bool:
    return all(base.backend in desk.backends for base in info.plan.bases)


async def recover_one(
    desk: Desk,
    journal: Journal,
    info: RolloutInfo,
    *,
    on_exit: OnLeave = "abort",
    patience: float = _PATIENCE,
) -> RolloutResult | None:
    """Recover a rollout if nobody acts for it; return how it ended, or ``None`` if somebody does.

    Args:
        desk: What to act with.
        journal: Where the rollout is.
        info: The rollout, as it was seen a moment ago.
        on_exit: What follows if this is cancelled; see `OnLeave`.
        patience: Seconds for which a journal that cannot be written for now is tried again.

    Raises:
        Unbound: If it must go forward and a check that it needs is not given.
        JournalError: If the journal cannot be read or written.
    """
    events = await journal.read(info.id)
    if not is_left(info, events, round(desk.clock.wall() * 1000)):
        return None
    taken = await taken_over(desk, journal, info, events, patience=patience)
    if taken is None:
        return None
    run, direction, since = taken
    async with hosted(run, journal, on_exit=on_exit, direction=direction, since=since) as rollout:
        return await rollout.result()


async def taken_over(
    desk: Desk,
    journal: Journal,
    info: RolloutInfo,
    events: Sequence[Event],
    *,
    holder: str | None = None,
    patience: float = _PATIENCE,
) -> tuple[Run, Direction, int] | None:
    """Take over what nobody acts for: where it goes, and up to where commands were obeyed; ``None`` if others were faster.

    Raises:
        Unbound: If it must go forward and a check that it needs is not given.
        JournalError: If the journal cannot be read or written.
    """
    history = History.of(info.plan, events)
    direction = direction_of(info, history, events)
    if direction == "forward" and not history.promoting:
        # Without a database that only follows the promotion the traffic gets where it was to get, and the end says so.
        refuse_unbound(info.plan, desk.checks, desk.sources, desk.databases, promoting=False)
    try:
        lease = await _taken(desk, journal, info, holder or this_holder(), patience)
    except (LeaseHeld, UnknownRollout):
        # Somebody else was faster, or it has just ended: then there is nothing left to do here.
        return None
    return desk.run(info.plan, lease, await journal.read(info.id)), direction, obeyed_until(events)


async def _taken(desk: Desk, journal: Journal, info: RolloutInfo, holder: str, patience: float) -> Lease:
    """Take a rollout over, however long the journal is busy: what keeps it busy may be what is to be recovered from."""
    until, pause = desk.clock.monotonic() + patience, _FIRST_PAUSE
    while True:
        dead = info.holder if holder_is_dead(info.holder) else None
        try:
            return await journal.take(info.id, holder, desk.ttl_ms, reason="its holder was gone", dead=dead)
        except JournalError as error:
            if not error.retryable or desk.clock.monotonic() + pause > until:
                raise
            _LOG.warning("rollout %s is not taken over yet: %s", info.id, error)
        await anyio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def sweep(desk: Desk, journal: Journal) -> None:
    """End the warm windows that are over. What serves, or is busy, is left for later.

    Raises:
        JournalError: If the journal cannot be read or written.
    """
    for info in await journal.rollouts(unfinished=True, damaged=[]):
        if not info.open and _is_ours(desk, info):
            await end_windows(desk, journal, info)


async def end_windows(
    desk: Desk, journal: Journal, info: RolloutInfo, *, on_exit: OnLeave = "abort"
) -> tuple[Due, ...]:
    """End those warm windows of an ended rollout that are over; return those that have ended.

    Raises:
        JournalError: If the journal cannot be read or written.
    """
    now_ms = desk.clock.wall() * 1000
    over = [due for due in info.windows if due.at_ms <= now_ms]
    return tuple([due for due in over if await _end_window(desk, journal, info, due, on_exit)])


async def _end_window(desk: Desk, journal: Journal, info: RolloutInfo, due: Due, on_exit: OnLeave) -> bool:
    old = info.plan.base(due.target)
    backend = desk.backend(old.backend)
    now = await observed(backend, old.target)
    wanted = now.stable == due.revision or (now.split is not None and now.split.share(due.revision) > 0)
    wanted = wanted or await _kept_longer(journal, due)
    if not wanted and now.revision(due.revision) is not None:
        base = Base(
            old.target, backend=old.backend, stable=now.stable, split=now.split, fingerprint=now.fingerprint
        )
        plan = retirement(base, due)
        try:
            lease = await begin(journal, plan, desk.clock, desk.ttl_ms)
        except LeaseHeld:
            return False
        run = desk.run(plan, lease, await journal.read(lease.rollout))
        async with hosted(run, journal, on_exit=on_exit) as rollout:
            if not (await rollout.result()).promoted:
                return False
    step = f"due:{due.target}:{due.revision}"
    await journal.send(info.id, Settled(step=step, detail="still needed" if wanted else "retired"))
    return True


async def _kept_longer(journal: Journal, due: Due) -> bool:
    """Whether a later rollout has opened another warm window for the same revision."""
    infos = await journal.rollouts(due.target, unfinished=True)
    windows = [other for info in infos for other in info.windows if other.target == due.target]
    return any(other.revision == due.revision and other.at_ms > due.at_ms for other in windows)

"""Driving a rollout from wherever its journal says it is to one of its ends."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio

from fairdeploy.engine.claim import claim
from fairdeploy.engine.control import Leave, Stop, Stopped
from fairdeploy.engine.database_look import DatabaseLooks
from fairdeploy.engine.database_rescue import left_frozen
from fairdeploy.engine.database_steps import carry_database
from fairdeploy.engine.ends import ended
from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.following import delegate
from fairdeploy.engine.guards import Watch, closed
from fairdeploy.engine.history import AS_BEFORE, GIVEN_UP
from fairdeploy.engine.next_back import next_back
from fairdeploy.engine.run import Run, StepFailed
from fairdeploy.engine.settle import settle
from fairdeploy.engine.steps import carry_out
from fairdeploy.errors import FairdeployError, Fenced, JournalError
from fairdeploy.model import (
    AwaitReady,
    Backup,
    Command,
    DatabaseStep,
    Delegate,
    Drain,
    Event,
    Freeze,
    Intended,
    Migrate,
    Outcome,
    Parked,
    Paused,
    Progressed,
    Restore,
    Resumed,
    Retire,
    Retried,
    Scale,
    Settled,
    Shift,
    Start,
    Step,
    Thaw,
    Undoing,
)

if TYPE_CHECKING:
    from fairdeploy.protocols import Journal

__all__ = ["Direction", "drive"]

Direction: TypeAlias = Literal["forward"] | Stop
"""Where to: on with the plan, or back for a reason."""

_READ_AGAIN = 1.0
"""Seconds between two attempts to read commands after one has failed."""
_RETRY_UNDO = 0.5
"""Seconds between two attempts of the way back after one has failed."""


async def drive(run: Run, journal: Journal, direction: Direction = "forward", *, since: int = 0) -> None:
    """Drive a rollout to its end.

    Shield it: it is stopped through `Control`, not by cancellation.

    Args:
        run: The rollout, its lease taken.
        journal: Where commands come from.
        direction: ``"forward"``, or why to go back at once.
        since: Commands up to this position were obeyed already.

    Raises:
        JournalError: If the journal cannot be written any more; `recover` goes on from there.
    """
    trouble: FairdeployError | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.tenure.keep)
            tasks.start_soon(_obey, run, journal, since)
            await _live(run, direction)
            tasks.cancel_scope.cancel()
    except* Fenced:
        # Somebody else acts now; what they record is the result.
        run.control.stop(Leave(why="fenced"))
    except* FairdeployError as group:
        trouble = _first(group)
    if trouble is not None:
        raise trouble


def _first(group: BaseExceptionGroup[FairdeployError]) -> FairdeployError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _live(run: Run, direction: Direction) -> None:
    stop = direction if isinstance(direction, Stop) else await _forward(run)
    match stop:
        case None:
            await _arrived(run)
        case Stop():
            await _back(run, stop)
        case Leave(why="detached"):
            await run.record(Progressed(step=run.control.step, message="left on purpose by its program"))
            # In the middle of an approval it stays parked for that, with its date.
            await run.record(run.history.parked or Parked(then="resume"))
        case Leave():
            pass


# Commands.


async def _obey(run: Run, journal: Journal, since: int) -> None:
    """Obey commands from any process."""
    feed, run.control.obeyed = feed_of(journal), since
    while True:
        try:
            events = await feed.after(run.id, since, kind="command")
        except JournalError:
            # A journal that cannot be read for a moment is no reason to let go of the traffic.
            await anyio.sleep(_READ_AGAIN)
            continue
        for event in events:
            since = run.control.obeyed = event.seq
            await _obey_one(run, event)


async def _obey_one(run: Run, event: Event) -> None:
    command = event.record
    if not isinstance(command, Command):
        return
    if run.history.promoting and command.verb in {"abort", "supersede"}:
        await run.record(Progressed(step=run.control.step, message="too late to stop: it is being promoted"))
        return
    match run.control.obey(command):
        case "paused":
            await run.record(Paused(reason=command.reason))
        case "resumed":
            await run.record(Resumed(reason=command.reason))
        case "nothing":
            pass


# Forward.


async def _forward(run: Run) -> Stop | Leave | None:
    """Carry the plan out with its guards beside it; return why it must go back, or ``None`` at its end."""
    stop: Stop | Leave | None = None
    for step in run.history.plan.steps:
        if step.id in run.history.settled:
            run.control.mark_settled(step.id, shift=isinstance(step, Shift))
    watches = [Watch(run, guard) for guard in run.history.plan.guards]
    async with anyio.create_task_group() as tasks:
        for watch in watches:
            tasks.start_soon(watch.watch)
        stop = await _steps(run, watches)
        tasks.cancel_scope.cancel()
    return stop


async def _steps(run: Run, watches: list[Watch]) -> Stop | Leave | None:
    left, intended = run.history.left, run.intended
    try:
        for step, then in zip_longest(left, left[1:]):
            if not intended:
                await _thawed(run)
                await run.record(await _intent(run, step, watches))
            intended = await _step(run, step, then, watches)
            if run.stepwise and then is not None:
                return await _handed(run, then, watches, intended=intended)
    except Stopped:
        return run.control.stopped
    except Fenced:
        raise
    except StepFailed as failure:
        return await _failed(run, failure)
    except Exception as error:  # noqa: BLE001 - whatever a foreign backend raises, traffic must go back
        return await _failed(run, StepFailed(f"unexpected {type(error).__name__}: {error}"))
    return None


async def _failed(run: Run, failure: StepFailed) -> Stop | Leave:
    """Go back; or, past the point of no return, say what is left over."""
    if not run.history.promoting:
        return Stop(outcome="rolled_back", reason=failure.reason, evidence=failure.evidence)
    point = run.history.plan.point_of_no_return
    promoted = point is not None and point.id in run.history.settled
    evidence = (f"after the promotion: {failure.reason}", *failure.evidence)
    outcome = Outcome.PROMOTED if promoted else Outcome.NEEDS_ATTENTION
    await ended(run, outcome, reason=failure.reason, evidence=evidence)
    return Leave(why="ended")


async def _arrived(run: Run) -> None:
    """End a rollout whose every step was tried. Databases that could not follow are made safe first, and told."""
    history = run.history
    if not history.given_up and not (history.promoting and left_frozen(history)):
        await ended(run, Outcome.PROMOTED)
        return
    found, trouble = list[str](), list[str]()
    with anyio.move_on_after(history.plan.undo.deadline_ms / 1000, shield=True):
        await _undo(run, found, trouble)
    if run.control.gone:
        return
    found = found or [*history.given_up.values(), *trouble[-1:]]
    why = f"what was promoted serves, but {'; '.join(found)}"
    await ended(run, Outcome.NEEDS_ATTENTION, reason=why, evidence=tuple(found))


async def _thawed(run: Run) -> None:
    if not run.history.promoting:
        await run.control.thawed()


async def _handed(run: Run, then: Step, watches: list[Watch], *, intended: bool) -> Stop | Leave | None:
    """Leave the next step to others, once nothing keeps it from beginning; its intent holds what the guards know."""
    if not intended:
        await _thawed(run)
        await run.record(await _intent(run, then, watches))
    run.control.stop(Leave(why="handed"))
    # A verdict that came before it counts, unless it came too late.
    return Leave(why="handed") if run.history.promoting else run.control.stopped


async def _intent(run: Run, step: Step, watches: list[Watch]) -> Intended:
    """Return the record of an intent; with a change of the split, or of hands, goes what was counted until then."""
    told = run.stepwise or isinstance(step, Shift)
    return Intended(step=step.id, states=await closed(watches) if told else ())


async def _step(run: Run, step: Step, then: Step | None, watches: list[Watch]) -> bool:
    """Carry a step out that is intended; return whether the next one is intended by the same record.

    One write instead of two, where nothing keeps the next step from beginning.
    """
    run.control.step = step.id
    if isinstance(step, Shift):
        run.control.begin_shift()
    detail = await _carried(run, step)
    await _last_look(run, step, watches)
    next_intent = [await _intent(run, then, watches)] if then is not None else []
    on = bool(next_intent) and (run.history.promoting or run.control.free)
    await run.record(Settled(step=step.id, detail=detail), *(next_intent if on else []))
    run.control.mark_settled(step.id, shift=isinstance(step, Shift))
    return on


async def _carried(run: Run, step: Step) -> str:
    """Carry a step out. Once promoted, a database that fails keeps nothing else from being done."""
    if not (run.history.promoting and isinstance(step, DatabaseStep)):
        return await carry_out(run, step)
    if step.database in run.history.given_up:
        return AS_BEFORE
    try:
        return await carry_out(run, step)
    except StepFailed as failure:
        return f"{GIVEN_UP}{failure.reason}"


async def _last_look(run: Run, step: Step, watches: list[Watch]) -> None:
    """Judge once more before the guards of a step end: a promotion is not decided by an old verdict."""
    last = [watch for watch in watches if watch.guard.until == step.id]
    for watch in last:
        await watch.look(last=True)
    if last:
        await run.control.thawed()


# Back.


async def _back(run: Run, stop: Stop) -> None:
    """Go back to the base. Nothing interrupts it but its own deadline."""
    reason, evidence = stop.reason, stop.evidence
    if run.history.undoing is None:
        await run.record(
            Undoing(outcome=stop.outcome, reason=reason, evidence=evidence, step=run.control.step)
        )
    # What could not be taken back unattended, and, while it lasts, what keeps the way back from going on.
    found, trouble = list[str](), list[str]()
    with anyio.move_on_after(run.history.plan.undo.deadline_ms / 1000, shield=True) as scope:
        await _undo(run, found, trouble)
    if run.control.gone:
        return
    undoing = run.history.undoing
    if scope.cancelled_caught or undoing is None:
        late = f"the way back was not done within {run.history.plan.undo.deadline_ms / 1000:g} s"
        late += f" ({trouble[-1]})" if trouble else ""
        await ended(run, Outcome.NEEDS_ATTENTION, reason=f"{reason}; {late}", evidence=evidence)
    elif found:
        why = f"{undoing.reason}; the application is back, but {'; '.join(found)}"
        await ended(run, Outcome.NEEDS_ATTENTION, reason=why, evidence=(*undoing.evidence, *found))
    else:
        await ended(run, Outcome(undoing.outcome), reason=undoing.reason, evidence=undoing.evidence)


async def _undo(run: Run, found: list[str], trouble: list[str]) -> None:
    claimed, looks = not run.history.taken_over, DatabaseLooks(run)
    while not run.control.gone:
        try:
            if not claimed:
                await claim(run)
                claimed = True
            step = await next_back(run, looks, found)
            if step is None:
                return
            await _undo_one(run, step)
            trouble.clear()
        except Stopped:
            return
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - the way back is tried again, whatever went wrong
            # until its deadline has passed
            message = f"{type(error).__name__}: {error}"
            if [message] != trouble:
                trouble[:] = [message]
                await run.record(Retried(step=run.control.step, error=message))
            await anyio.sleep(_RETRY_UNDO)


async def _undo_one(run: Run, step: Step) -> None:
    run.control.step = step.id
    await run.record(Intended(step=step.id, phase="undo", undo=step))
    try:
        match step:
            case Start() | Scale() | AwaitReady() | Shift() | Drain() | Retire():
                detail = await settle(run, step, backwards=True)
            case Delegate():
                detail = await delegate(run, step, backwards=True)
            case Backup() | Migrate() | Restore() | Freeze() | Thaw():
                detail = await carry_database(run, step, backwards=True)
            case _:
                msg = f"the way back has no step of kind {step.kind!r}"
                raise TypeError(msg)
    except StepFailed as failure:
        if not isinstance(step, AwaitReady | DatabaseStep):
            raise
        # Recorded as an end, so that it is not waited for twice: see `undo`, `undo_database`.
        detail = f"{GIVEN_UP}{failure.reason}"
    await run.record(Settled(step=step.id, phase="undo", detail=detail))

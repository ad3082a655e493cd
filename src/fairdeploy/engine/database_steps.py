"""Carrying out the steps on databases, onward and on the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar, assert_never

import anyio

from fairdeploy.engine.run import Run, StepFailed
from fairdeploy.errors import ConsentRequired, FairdeployError, Fenced
from fairdeploy.model import Backup, DatabaseStep, Freeze, Migrate, Progressed, Restore, Retried, Thaw
from fairdeploy.model._words import count as count_words, duration
from fairdeploy.model.canonical import digest
from fairdeploy.protocols import Snapshotted

if TYPE_CHECKING:
    from fairdeploy.engine.world import Seen
    from fairdeploy.model import Base, DatabaseSeen, RevisionId
    from fairdeploy.protocols import Database

__all__ = ["carry_database", "configured", "leftovers", "otherwise", "unbound"]

_PAUSE = 0.5
"""Seconds between two attempts, and between two looks at who still uses a schema."""

T = TypeVar("T")


async def carry_database(run: Run, step: DatabaseStep, *, backwards: bool = False) -> str:
    """Do a step on a database whose intent is recorded; return what came about, in a few words.

    What may pass is tried again until the step's deadline. An abort interrupts a backup, and no other effect: half
    a migration is worse than a late one.

    Args:
        run: The rollout.
        step: The step.
        backwards: Whether this is the way back.

    Raises:
        StepFailed: If it cannot be done.
        Stopped: If the rollout is to stop.
        Fenced: If somebody has taken over.
    """
    database = run.databases.get(step.database)
    if database is None:
        raise StepFailed(unbound(step.database))
    if isinstance(step, Migrate) and step.configuration not in {"", configured(database)}:
        raise StepFailed(otherwise(step.database))
    began, said = run.clock.monotonic(), list[str]()
    while True:
        if run.control.gone or not (backwards or run.history.promoting):
            run.control.check()
        left = step.deadline_ms / 1000 - (run.clock.monotonic() - began)
        if left <= 0:
            why = said[-1] if said else "it takes longer"
            raise StepFailed(f"{step.id!r} was not done within {duration(step.deadline_ms)} ({why})")
        with anyio.move_on_after(left):
            done = await _attempt(run, step, database, said, backwards=backwards)
            if done is not None:
                return done
        await (anyio.sleep(_PAUSE) if backwards else run.control.wait(_PAUSE))


async def _attempt(
    run: Run, step: DatabaseStep, database: Database, said: list[str], *, backwards: bool
) -> str | None:
    """Try a step once; ``None`` if something may pass, which is added to what was said."""
    try:
        return await _once(run, step, database, backwards=backwards)
    except Fenced:
        raise
    except ConsentRequired as asked:
        run.asked.append(asked)
        raise StepFailed(f"nobody has agreed to the loss {asked.report.digest}: {asked.report}") from None
    except FairdeployError as error:
        if not error.retryable:
            raise StepFailed(str(error).partition("\n")[0], (str(error),)) from None
        if str(error) not in said:
            said.append(str(error))
            await run.record(Retried(step=step.id, error=f"{type(error).__name__}: {error}"))
    return None


def configured(database: Database) -> str:
    """Return the hash of what configures a database, as a plan records it."""
    return digest(database.configuration())


def otherwise(name: str) -> str:
    """Say that a database is not the one that a plan was made for."""
    return f"database {name!r} is configured otherwise than when the plan was made: give the same"


def unbound(name: str) -> str:
    """Say that a database was not given to this process."""
    return f"database {name!r} is not given to this Deployer: pass databases={{{name!r}: ...}}"


async def _once(run: Run, step: DatabaseStep, database: Database, *, backwards: bool) -> str | None:
    """Apply a step; ``None`` if something has to pass first."""
    fence = await run.tenure.fence(step.id)
    match step:
        case Backup():
            proof = await _interruptible(
                run, lambda: database.backup(step.target, fence), backwards=backwards
            )
            return f"backup {proof.id!r} is proved: it was restored in {duration(proof.restore_ms)}"
        case Migrate():
            return await _migrated(run, step, database, backwards=backwards)
        case Restore(snapshot=""):
            return await database.restore(
                step.target, f"{step.rollout or run.id}:{step.backup}", fence, accept=step.accept
            )
        case Restore():
            if not isinstance(database, Snapshotted):
                raise StepFailed(f"database {step.database!r} has nobody who keeps snapshots of it")
            return await database.restore_snapshot(
                step.target, step.snapshot, fence, to=step.to, accept=step.accept
            )
        case Freeze() | Thaw():
            await database.freeze(step.target, fence, frozen=isinstance(step, Freeze))
            return "read only" if isinstance(step, Freeze) else "can be written"
        case _:
            assert_never(step)


async def _interruptible(run: Run, call: Callable[[], Awaitable[T]], *, backwards: bool) -> T:
    """Await a call that leaves nothing half done when an abort ends it."""
    done: list[T] = []
    failed: list[FairdeployError] = []

    async def called() -> None:
        try:
            done.append(await call())
        except FairdeployError as error:
            failed.append(error)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(called)
        while backwards or run.control.stopped is None:
            await run.control.wait(None)
        tasks.cancel_scope.cancel()
    if failed:
        raise failed[0]
    if not done:
        run.control.check()
    return done[0]


async def _migrated(run: Run, step: Migrate, database: Database, *, backwards: bool) -> str | None:
    state = await database.observe()
    # A way back that was killed at its end may have left the database frozen.
    if state.version == step.to and not (step.phase == "back" and state.frozen):
        return f"at {step.to or 'no version'}"
    if step.phase != "expand":
        base = run.history.plan.base(step.target)
        busy = leftovers(step, base, await run.look(base), state, backwards=backwards)
        if busy:
            await run.record(Progressed(step=step.id, message=busy))
            return None
    fence = await run.tenure.fence(step.id)
    back = step.phase == "back"
    # On the way back of a deployment, what was agreed to beforehand counts for its migrations too.
    accept = "any" if back and backwards and step.on_loss == "restore" else step.accept
    backup = f"{run.id}:{step.backup}" if back and step.backup else ""
    await database.migrate(step.target, step.to, fence, back=back, backup=backup, accept=accept)
    return f"{state.version or 'no version'} -> {step.to or 'no version'}"


def leftovers(step: Migrate, base: Base, seen: Seen, state: DatabaseSeen, *, backwards: bool) -> str:
    """Return who still uses what a migration takes away, in a few words; empty if nobody does.

    Instances are those that the backend knows; connections those whose ``application_name`` holds a revision's id.
    """

    def leaves(revision: RevisionId) -> bool:
        if step.phase == "contract":
            return revision != base.stable
        if backwards:
            return revision == base.candidate and revision not in base.revisions
        return revision == base.stable and base.candidate is not None

    there = {revision.id: len(revision.instances) for revision in seen.deployment.revisions}
    known = {*there, *base.revisions, *([base.candidate] if base.candidate else [])}
    said = []
    for revision in sorted(known):
        if not leaves(revision):
            continue
        connected = sum(count for name, count in state.sessions.items() if revision in name)
        if there.get(revision):
            said.append(f"{count_words(there[revision], 'instance')} of {revision}")
        if connected:
            said.append(f"{count_words(connected, 'connection')} of {revision}")
    return f"waits for {', '.join(said)} to go" if said else ""

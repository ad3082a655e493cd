"""Carrying out plans of the manager: by the engine, so that each step is journaled and whoever recovers goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.engine.beginning import begun
from fairdeploy.engine.database_planning import with_databases
from fairdeploy.engine.going_back import planned_back
from fairdeploy.engine.hosting import hosted
from fairdeploy.engine.planning import completed, observed
from fairdeploy.errors import ConsentRequired, RollbackError
from fairdeploy.model import Promote, Settled
from fairdeploy.strategies import database_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import DatabaseStep, Plan, RolloutResult, Target
    from fairdeploy.rollback.ladder import Way
    from fairdeploy.rollback.managed import OnAhead

__all__ = ["DATABASE_ROLLBACK", "acted", "back_together", "carried"]

DATABASE_ROLLBACK = "Database rollback"
"""What plans are called that take databases back alone."""


async def back_together(
    desk: Desk,
    wanted: Sequence[tuple[Target, str, str | None]],
    ways: Sequence[Way],
    *,
    reason: str,
    on_ahead: OnAhead,
    accept: str,
) -> Plan:
    """Return the plan that takes targets back together, and the databases that are newer than they are.

    The traffic waits for no database. Frozen is right after the promotion, before the revision that is left is drained;
    taken back is what nobody uses any more, after it has gone.

    Raises:
        RollbackError: If there is nothing to go back to.
        Refused: If a database cannot be migrated now.
    """
    plan = await planned_back(desk, wanted, reason=reason, verify=True)
    # It was begun because what serves is bad: who recovers it goes on with it.
    undo = replace(plan.undo, on_crash="resume")
    if not ways or on_ahead not in {"freeze", "back"}:
        return replace(plan, undo=undo)
    first, last = wanted[0][0].id, wanted[-1][0].id
    at = next((i for i, step in enumerate(plan.steps) if isinstance(step, Promote)), -1) + 1
    if on_ahead == "freeze":
        steps = (*plan.steps[:at], *(way.frozen(first) for way in ways), *plan.steps[at:])
    else:
        back = [step for way in ways for step in way.steps(last, accept=accept)]
        steps = (*plan.steps, *back)
        undo = replace(undo, deadline_ms=undo.deadline_ms + sum(step.deadline_ms for step in back))
    notes = (*plan.notes, *(f"Database: {way}." for way in ways))
    return await with_databases(replace(plan, steps=steps, undo=undo, notes=notes), desk.databases)


async def carried(desk: Desk, plan: Plan) -> tuple[RolloutResult, tuple[ConsentRequired, ...]]:
    """Run a plan that was made just now; return how it ended, and what nobody had agreed to.

    Raises:
        StalePlan: If a target has moved all the same.
        LeaseHeld: If another rollout acts on a target.
        JournalError: If the journal cannot be written.
    """
    run, journal = await begun(desk, plan, "refuse", just_made=True)
    async with hosted(run, journal, on_exit="abort") as rollout:
        result = await rollout.result()
    return result, tuple(run.asked)


async def acted(
    desk: Desk,
    target: Target,
    backend: str,
    steps: Sequence[DatabaseStep],
    *,
    verb: str = DATABASE_ROLLBACK,
    notes: Sequence[str] = (),
) -> RolloutResult:
    """Take steps on databases, for the sake of a target.

    Raises:
        ConsentRequired: If something would be lost that nobody has agreed to lose.
        RollbackError: If they did not come about; the message says in what state the databases are.
        Refused: If a database is frozen, or another rollout acts on the target. Nothing has changed.
    """
    place = desk.backend(backend)
    plan = database_plan(verb, target, await observed(place, target), steps, notes=notes)
    plan = await completed(plan, backend=place, name=backend, checks={}, databases=desk.databases)
    result, asked = await carried(desk, plan)
    if result.promoted:
        return result
    if asked and result.outcome != "needs_attention":
        raise ConsentRequired(f"nothing has changed: {asked[-1]}", asked[-1].report)
    events = await place.journal.read(result.rollout)
    done = [e.record for e in events if isinstance(e.record, Settled) and e.record.phase == "undo"]
    now = [f"{record.step}: {record.detail}" for record in done]
    if result.outcome == "rolled_back":
        now.append("the database is as it was")
    raise RollbackError(f"{verb.lower()} of {steps[0].database!r} failed: {result}\n{'; '.join(now)}")

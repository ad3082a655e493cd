"""From a plan to a rollout in the hands of this process: the lease, and two looks whether the plan still fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from fairdeploy.engine.database_planning import refuse_stale_databases
from fairdeploy.engine.ends import ended
from fairdeploy.engine.holds import refuse_held
from fairdeploy.engine.lease import OnConflict, begin, make_way
from fairdeploy.engine.planning import refuse_stale, refuse_unbound
from fairdeploy.engine.recoverer import recover_one
from fairdeploy.errors import LeaseHeld
from fairdeploy.model import Outcome

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.engine.run import Run
    from fairdeploy.model import Plan
    from fairdeploy.protocols import Journal, RolloutInfo

__all__ = ["begun"]

_LAST_WORD = 10.0
"""Seconds to record that a rollout was not begun after all."""


async def begun(
    desk: Desk, plan: Plan, on_conflict: OnConflict, *, just_made: bool = False, holder: str | None = None
) -> tuple[Run, Journal]:
    """Take the lease for a plan that still fits; if it does not, nothing has changed.

    Args:
        desk: What to act with.
        plan: The plan.
        on_conflict: See `OnConflict`.
        just_made: Whether the plan was made a moment ago: then one look is enough, once the lease is taken.
        holder: Who acts, where that is not this process: what it has begun already is gone on with, and not begun twice.

    Raises:
        StalePlan: If a target has moved since the plan was made.
        LeaseHeld: If another rollout acts on a target, with ``refuse``.
        TargetOnHold: If the plan brings something new to a target on hold.
        Unbound: If the plan names a check that this deployer was not given.
        JournalError: If the journal cannot be written.
    """
    journal = desk.journal(plan)
    refuse_unbound(plan, desk.checks, desk.sources, desk.databases)
    await refuse_held(journal, plan)
    run = None if holder is None else await _begun_before(desk, journal, plan, holder)
    run = run or await _leased(desk, journal, plan, on_conflict, just_made=just_made, holder=holder)
    try:
        # Somebody may have promoted between the first look and the lease.
        await refuse_stale(plan, run.observe)
        # A hold comes before the end of what it is about: who had waited for that end is refused here.
        await refuse_held(journal, plan)
        await refuse_stale_databases(plan, run.databases)
    except BaseException as error:
        with anyio.move_on_after(_LAST_WORD, shield=True):
            await ended(run, Outcome.ABORTED, reason=f"not begun: {str(error) or type(error).__name__}")
        raise
    return run, journal


async def _begun_before(desk: Desk, journal: Journal, plan: Plan, holder: str) -> Run | None:
    for info in await journal.rollouts(plan.bases[0].target.id, unfinished=True):
        if info.open and info.holder == holder and info.plan.hash == plan.hash:
            return desk.run(plan, await journal.renew(info.lease(desk.ttl_ms)), await journal.read(info.id))
    return None


async def _leased(
    desk: Desk, journal: Journal, plan: Plan, on_conflict: OnConflict, *, just_made: bool, holder: str | None
) -> Run:
    async def recover(info: RolloutInfo) -> None:
        await recover_one(desk, journal, info)

    targets = tuple(base.target.id for base in plan.bases)
    while True:
        await make_way(journal, targets, on_conflict, recover)
        if not just_made:
            await refuse_stale(plan, desk.observe)
        try:
            # Nothing may come between the lease and whoever gives it back.
            with anyio.CancelScope(shield=True):
                lease = await begin(journal, plan, desk.clock, desk.ttl_ms, holder=holder)
                return desk.run(plan, lease, await journal.read(lease.rollout))
        except LeaseHeld:
            # Of several that waited, another one was faster.
            if on_conflict == "refuse":
                raise
            just_made = False

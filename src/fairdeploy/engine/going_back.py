"""Back to what was verified before: the one way, for whoever asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.engine.lease import make_way, outcome
from fairdeploy.engine.place import place_of, standing
from fairdeploy.engine.planning import completed, releases_of
from fairdeploy.engine.recoverer import recover_one
from fairdeploy.engine.rollout import Rollout
from fairdeploy.engine.verb import through
from fairdeploy.engine.versions import previous_verified
from fairdeploy.errors import Refused, RollbackError
from fairdeploy.model import BoundCheck, Outcome
from fairdeploy.model.check import is_counted, is_data
from fairdeploy.strategies import rollback_plan, sequence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import Check, Plan, RolloutResult, Target, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["aborted", "gone_back", "planned_back"]


async def aborted(
    desk: Desk, target: Target, *, reason: str, backend: str | None, hold: bool = False
) -> RolloutResult | None:
    """Send back whatever rollout acts on a target, and put it on hold if that is said. See `Deployer.abort`.

    Raises:
        JournalError: If the journal cannot be read or written.
    """

    async def recover(info: RolloutInfo) -> None:
        await recover_one(desk, desk.journal(info.plan), info)

    _, place = place_of(desk, target, backend)
    for info in await place.journal.rollouts(target.id, unfinished=True):
        if not info.open:
            continue
        try:
            await Rollout(info.id, info.plan, place.journal).abort(reason, hold=hold)
        except Refused:  # it has just ended by itself
            return None
        return await outcome(place.journal, info, recover)
    return None


async def gone_back(
    desk: Desk, target: Target, *, to: str | None, reason: str, backend: str | None, verify: bool
) -> RolloutResult:
    """Go back to a verified revision. See `Deployer.rollback`.

    Raises:
        RollbackError: If there is nothing to go back to, or it could not be reached.
        UnknownTarget: If nothing is deployed there.
    """

    async def recover(info: RolloutInfo) -> None:
        await recover_one(desk, desk.journal(info.plan), info)

    _, place = place_of(desk, target, backend)
    infos = await place.journal.rollouts(target.id)
    if to is None and _busy(infos):
        ended = await aborted(desk, target, reason=reason or "rollback", backend=backend)
        if ended is not None and ended.outcome is Outcome.NEEDS_ATTENTION:
            raise RollbackError(f"rollback of {target.id!r} did not reach its end: {ended}")
        if ended is not None and not ended.promoted:
            return ended
    plan = await planned_back(
        desk, [(target, backend, to)], reason=reason, verify=verify, known={target.id: infos}
    )
    result = await through(desk, plan)
    if result.promoted:
        return result
    raise RollbackError(f"rollback of {target.id!r} to {plan.bases[0].candidate!r} failed: {result}")


async def planned_back(
    desk: Desk,
    wanted: Sequence[tuple[Target, str | None, str | None]],
    *,
    reason: str,
    verify: bool,
    known: Mapping[TargetId, Sequence[RolloutInfo]] | None = None,
) -> Plan:
    """Return the plan that takes targets back together, once nothing else acts on them.

    Args:
        desk: What to act with.
        wanted: Each target with its backend's name and where it goes back to; see `gone_back`.
        reason: For the record.
        verify: Whether the deployer's checks are asked before the traffic moves.
        known: The rollouts of targets as they were read a moment ago, oldest first: with those of a target on which
            nothing acts the journal is not read again. What begins meanwhile is found when the lease is taken.

    Raises:
        RollbackError: If there is nothing to go back to.
        UnknownTarget: If nothing is deployed there.
    """

    async def recover(info: RolloutInfo) -> None:
        await recover_one(desk, desk.journal(info.plan), info)

    plans: list[Plan] = []
    checks = _asked(desk) if verify else ()
    for target, backend, to in wanted:
        _, place = place_of(desk, target, backend)
        infos = (known or {}).get(target.id) or await place.journal.rollouts(target.id)
        if _busy(infos):
            await make_way(place.journal, (target.id,), "supersede", recover)
            infos = await place.journal.rollouts(target.id)
        name, place, now = await standing(desk, target, backend)
        releases = releases_of(infos)
        release = releases[previous_verified(target.id, infos, now.stable, to)]
        plan = rollback_plan(target, now, release, checks=checks, capabilities=place.capabilities)
        # With what stands there now: nothing else has to be looked for in the journal.
        there = {revision: releases[revision] for revision in releases if revision == now.stable}
        plan = replace(plan, releases={**there, **plan.releases})
        if reason:
            plan = replace(plan, notes=(*plan.notes, f"asked for because: {reason}"))
        plans.append(await completed(plan, backend=place, name=name, checks={}, databases=desk.databases))
    return sequence(*plans)


def _busy(infos: Sequence[RolloutInfo]) -> bool:
    """Whether a rollout acts on a target now."""
    return any(info.open for info in infos)


def _asked(desk: Desk) -> tuple[Check, ...]:
    """Return the deployer's checks that instances can be asked before they get traffic."""
    checks: list[Check] = [
        check if is_data(check) else BoundCheck(name) for name, check in desk.checks.items()
    ]
    return tuple(check for check in checks if check.scope == "revision" and not is_counted(check))

"""Running a plan that was made just now, to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.beginning import begun
from fairdeploy.engine.hosting import hosted
from fairdeploy.engine.place import standing
from fairdeploy.engine.planning import completed, known_releases
from fairdeploy.engine.rollout import Rollout
from fairdeploy.errors import DeploymentError, Refused, UnknownRollout
from fairdeploy.strategies import restart_plan

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.engine.lease import OnConflict
    from fairdeploy.model import Plan, RolloutId, RolloutResult, Target

__all__ = ["carry", "found", "restart", "through"]


async def through(desk: Desk, plan: Plan, on_conflict: OnConflict = "refuse") -> RolloutResult:
    """Run a plan that was made just now.

    Raises:
        StalePlan: If a target has moved all the same.
        LeaseHeld: If another rollout acts on a target, with ``refuse``.
        JournalError: If the journal cannot be written.
    """
    run, journal = await begun(desk, plan, on_conflict, just_made=True)
    async with hosted(run, journal, on_exit="abort") as rollout:
        return await rollout.result()


async def carry(desk: Desk, plan: Plan, name: str) -> RolloutResult:
    """Complete and run the plan of a verb.

    Args:
        desk: What to act with.
        plan: What the verb makes.
        name: Of the backend.

    Raises:
        DeploymentError: If it was not promoted.
    """
    plan = await completed(plan, backend=desk.backend(name), name=name, checks={}, databases=desk.databases)
    result = await through(desk, plan)
    if result.promoted:
        return result
    msg = f"{plan.strategy} of {plan.bases[0].target.id!r} failed: {result}"
    raise DeploymentError(msg, result)


async def restart(desk: Desk, target: Target, backend: str | None) -> RolloutResult:
    """Replace every instance of stable; see `Deployer.restart`.

    Raises:
        UnknownTarget: If nothing is deployed there.
        Refused: If the journal does not know the release.
        DeploymentError: If it could not be done.
    """
    name, place, now = await standing(desk, target, backend)
    release = (await known_releases(place.journal, target)).get(str(now.stable))
    if release is None:
        msg = (
            f"the release of {now.stable!r} at {target.id!r} is in no plan of this journal: deploy it instead"
        )
        raise Refused(msg)
    return await carry(desk, restart_plan(target, now, release), name)


async def found(desk: Desk, rollout_id: RolloutId) -> Rollout:
    """Return a rollout of any of the journals.

    Raises:
        UnknownRollout: If none holds it.
    """
    for journal in desk.journals():
        for info in await journal.rollouts():
            if info.id == rollout_id:
                return Rollout(info.id, info.plan, journal)
    msg = (
        f"no journal of this Deployer holds a rollout {rollout_id!r}: see history(target) for those there are"
    )
    raise UnknownRollout(msg)

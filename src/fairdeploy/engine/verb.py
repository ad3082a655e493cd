"""Running a plan that was made just now, to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.beginning import begun
from fairdeploy.engine.hosting import hosted
from fairdeploy.engine.planning import completed
from fairdeploy.errors import DeploymentError

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.engine.lease import OnConflict
    from fairdeploy.model import Plan, RolloutResult

__all__ = ["carry", "through"]


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
    plan = await completed(plan, backend=desk.backend(name), name=name, checks={})
    result = await through(desk, plan)
    if result.promoted:
        return result
    msg = f"{plan.strategy} of {plan.bases[0].target.id!r} failed: {result}"
    raise DeploymentError(msg, result)

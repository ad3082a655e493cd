"""Starting a rollout on Temporal, and reading how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.common import WorkflowIDConflictPolicy

from fairdeploy.journal import codec
from fairdeploy.model._check import milliseconds
from fairdeploy.temporal.values import TASK_QUEUE, Order
from fairdeploy.temporal.workflow import RolloutWorkflow

if TYPE_CHECKING:
    from datetime import timedelta

    from temporalio.client import Client, WorkflowHandle

    from fairdeploy.engine.lease import OnConflict
    from fairdeploy.model import Plan, RolloutResult

__all__ = ["outcome", "start_rollout"]


async def start_rollout(
    client: Client,
    plan: Plan,
    *,
    task_queue: str = TASK_QUEUE,
    on_conflict: OnConflict = "refuse",
    validate: bool | None = None,
    heartbeat: timedelta | float = 10.0,
) -> WorkflowHandle[RolloutWorkflow, str]:
    """Start a plan as a workflow. The same plan started twice while it runs is one workflow.

    Args:
        client: Of the Temporal server.
        plan: From `Deployer.plan`; any program that reaches the target can make it.
        task_queue: Where workers wait for it.
        on_conflict: As `Deployer.run` takes it.
        validate: As `Deployer.run` takes it; ``None``: as the worker's deployer was told.
        heartbeat: After so long without a sign of life a worker counts as dead, at least 1 second.

    Returns:
        The workflow's handle, to be signalled, queried and waited for (`outcome`).

    Raises:
        InvalidInput: If the plan cannot be written as text, or the heartbeat is too short.
    """
    targets = "+".join(base.target.id for base in plan.bases)
    order = Order(
        plan=codec.encode_plan(plan),
        on_conflict=on_conflict,
        validate=validate,
        heartbeat_ms=milliseconds(heartbeat, "heartbeat", low=1_000),
    )
    return await client.start_workflow(
        RolloutWorkflow.run,
        order,
        id=f"fairdeploy/{targets}/{plan.hash[:16]}",
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"{plan.strategy} of {targets}",
    )


async def outcome(handle: WorkflowHandle[RolloutWorkflow, str]) -> RolloutResult:
    """Wait for a rollout's end and return it. A rollback is a result, not an exception.

    Raises:
        temporalio.client.WorkflowFailureError: If it was never begun (stale, refused, unbound), or was cancelled.
    """
    return codec.result(await handle.result(), f"the result of workflow {handle.id!r}")

"""A worker for rollouts: as many as there are machines to act from, each with the same backends and journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.worker import Worker

from fairdeploy.temporal.activities import Activities
from fairdeploy.temporal.values import TASK_QUEUE
from fairdeploy.temporal.workflow import RolloutWorkflow

if TYPE_CHECKING:
    from temporalio.client import Client

    from fairdeploy.engine import Deployer

__all__ = ["rollout_worker"]


def rollout_worker(
    client: Client, deployer: Deployer, *, task_queue: str = TASK_QUEUE, at_once: int = 100
) -> Worker:
    """Return a worker that carries rollouts out; enter it, or await its ``run()``.

    A worker that shuts down completes the effect in hand; the next one goes on from there. One that dies is found
    by its missing heartbeats, and its rollout is recovered once its lease has expired, as the plan says
    (``on_crash``). Every worker must reach the same journal: PostgreSQL's, or a file where all are on one machine.

    Args:
        client: Of the Temporal server.
        deployer: What acts: its backends, checks, sources and databases. Its lease should be about as long as
            the heartbeat timeout that `start_rollout` names.
        task_queue: Where rollouts wait for it.
        at_once: How many activities it carries out at the same time.
    """
    activities = Activities(deployer._desk, validate=deployer._validate)  # noqa: SLF001 -- two faces of one engine
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[RolloutWorkflow],
        activities=activities.all,
        max_concurrent_activities=at_once,
    )

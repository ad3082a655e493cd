"""What a step costs as an activity of Temporal, beside a bare activity."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from _figures import say, title
from fairdeploy import Canary, Deployer, Release, Rolling, Target
from fairdeploy.journal import MemoryJournal, SystemClock
from fairdeploy.model import Shift
from fairdeploy.temporal.starting import outcome, start_rollout
from fairdeploy.temporal.worker import rollout_worker
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.temporal.server import dev_server

STEPS = 30


@activity.defn
async def bare() -> None:
    """Do nothing."""


@workflow.defn(name="bare")
class Bare:
    """As many bare activities as there are steps, one after the other."""

    @workflow.run
    async def run(self, count: int) -> None:
        """Ask for each, and wait for it."""
        for _ in range(count):
            await workflow.execute_activity(bare, start_to_close_timeout=timedelta(seconds=60))


async def step_beside_bare(address: str) -> tuple[float, float]:
    """Return the milliseconds of a bare activity, and of a shift as an activity."""
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue="bare",
        workflows=[Bare],
        activities=[bare],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        began = time.perf_counter()
        await client.execute_workflow(Bare.run, STEPS, id="bare", task_queue="bare")
        alone = (time.perf_counter() - began) * 1000 / STEPS
    world = World(default=Behaviour(start_seconds=0.0), ack_seconds=0.0, clock=SystemClock())
    deployer = Deployer(SimulatedBackend(world, journal=MemoryJournal()), validate=False)
    target = Target("shop", replicas=1, endpoint="127.0.0.1:8080")
    one, two = (Release(version, command=["serve", "{port}"]) for version in "12")
    await deployer.deploy(target, one, Rolling())
    whole = await deployer.plan(target, two, Canary(steps=range(1, 101), bake=0, analysis=()))
    shifts = tuple(step for step in whole.steps if isinstance(step, Shift) and step.id != "shift-100")
    plan = replace(whole, steps=whole.steps[:2] + shifts[: STEPS - 3])
    async with rollout_worker(client, deployer):
        began = time.perf_counter()
        await outcome(await start_rollout(client, plan))  # and one activity begins it
        return alone, (time.perf_counter() - began) * 1000 / STEPS


async def main() -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory() as name, dev_server(Path(name) / "log") as address:
        title(f"a step as an activity, mean of {STEPS} in a row, Temporal's dev server")
        alone, ours = await step_beside_bare(address)
        say("a shift with its records", f"{ours:.1f} ms", beside=f"bare activity {alone:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())

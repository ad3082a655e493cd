"""A rollout as a workflow on a real Temporal server, its workers in this process."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError

from fairdeploy import Approved, Canary, Deployer, Outcome, Release, Rolling, Target
from fairdeploy.journal import SystemClock
from fairdeploy.model import Command, Ended, Intended, Parked, TookOver
from fairdeploy.temporal.starting import outcome, start_rollout
from fairdeploy.temporal.values import Asked
from fairdeploy.temporal.worker import rollout_worker
from fairdeploy.temporal.workflow import RolloutWorkflow
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World
from tests.temporal.server import temporal_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.model import Plan, Record

__all__ = ["temporal_server"]

pytestmark = [pytest.mark.anyio, pytest.mark.temporal]

ONE, TWO = (Release(version, command=["serve", "{port}"]) for version in ("1", "2"))
SHOP = Target("shop", replicas=2, endpoint="127.0.0.1:8080")
Handle = WorkflowHandle[RolloutWorkflow, str]


class Stage:
    """A simulated world in real time, and a client of the server."""

    def __init__(self, address: str, client: Client, queue: str) -> None:
        """Begin with nothing deployed."""
        world = World(default=Behaviour(start_seconds=0.0), ack_seconds=0.0, clock=SystemClock())
        self.backend = SimulatedBackend(world)
        self.deployer = Deployer(self.backend, lease=3, validate=False)
        self.address, self.client, self.queue = address, client, queue

    async def start(self, plan: Plan) -> Handle:
        """Start a plan as a workflow."""
        return await start_rollout(self.client, plan, task_queue=self.queue, heartbeat=60)

    async def until(self, kind: type[Record], step: str = "") -> None:
        """Wait until the journal holds a record of a kind."""
        with anyio.fail_after(60):
            while not any(  # noqa: ASYNC110 -- which rollout that will be, nobody knows yet
                isinstance(event.record, kind) and getattr(event.record, "step", "") in {step, ""}
                for event in await self.backend.journal.read()
            ):
                await anyio.sleep(0.02)

    async def records(self, kind: type[Record]) -> list[Record]:
        """Return the records of one kind."""
        return [e.record for e in await self.backend.journal.read() if isinstance(e.record, kind)]


@pytest.fixture
async def stage(temporal_server: str, request: pytest.FixtureRequest) -> Stage:
    """Give a stage with a task queue of its own."""
    return Stage(temporal_server, await Client.connect(temporal_server), request.node.name)


@asynccontextmanager
async def workers(stage: Stage, count: int = 1) -> AsyncIterator[None]:
    """Run workers while the block runs, each with a client of its own, as Temporal wants it."""
    client = await Client.connect(stage.address)
    async with rollout_worker(client, stage.deployer, task_queue=stage.queue):
        if count == 1:
            yield
        else:
            async with workers(stage, count - 1):
                yield


async def test_a_plan_is_carried_out_step_by_step(stage: Stage) -> None:
    """Two workers share the steps of a canary; the journal tells of one rollout, and the query of its end."""
    async with workers(stage, 2):
        await stage.deployer.deploy(SHOP, ONE, Rolling())
        plan = await stage.deployer.plan(SHOP, TWO, Canary(steps=(50, 100), bake=0.1, analysis=()))
        handle = await stage.start(plan)
        again = await stage.start(plan)
        result = await outcome(handle)
        seen = await handle.query(RolloutWorkflow.progress)

    assert result.outcome is Outcome.PROMOTED
    assert again.id == handle.id
    assert await outcome(again) == result
    assert (seen.rollout, seen.of) == (result.rollout, len(plan.steps))
    assert await stage.records(TookOver) == []
    started = [
        event
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert len(started) == 1 + len(plan.steps)


async def test_signals_are_commands_with_a_name(stage: Stage) -> None:
    """An approval and an abort come as signals, and stand in the journal with who asked."""
    async with workers(stage):
        handle = await stage.start(await stage.deployer.plan(SHOP, ONE, Approved(Rolling())))
        await stage.until(Parked)
        await handle.signal(RolloutWorkflow.approve, Asked(by="ada", reason="looks good"))
        assert (await outcome(handle)).promoted

        handle = await stage.start(await stage.deployer.plan(SHOP, TWO, Canary(bake=600, analysis=())))
        await handle.signal(RolloutWorkflow.abort, Asked(by="ada", reason="not today"))
        result = await outcome(handle)

    assert result.outcome is Outcome.ABORTED
    assert "aborted by ada: not today" in result.reason
    assert [(c.verb, c.by) for c in await stage.records(Command) if isinstance(c, Command)] == [
        ("promote", "ada"),
        ("abort", "ada"),
    ]


async def test_a_cancelled_workflow_is_cancelled_once_the_rollout_is_back(stage: Stage) -> None:
    """Cancelling interrupts no effect: the rollout is aborted first."""
    async with workers(stage):
        await stage.deployer.deploy(SHOP, ONE, Rolling())
        handle = await stage.start(await stage.deployer.plan(SHOP, TWO, Canary(bake=600, analysis=())))
        await stage.until(Intended, "bake-5")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()

    assert type(caught.value.cause).__name__ == "CancelledError"
    (ended,) = [e for e in await stage.records(Ended) if isinstance(e, Ended) and not e.result.promoted]
    assert ended.result.outcome is Outcome.ABORTED
    assert stage.backend.world.place(SHOP.id).stable == ONE.revision


async def test_a_worker_that_shuts_down_hands_its_step_on(stage: Stage) -> None:
    """In the middle of a bake the next worker goes on: nothing is taken over, nothing goes back."""
    async with workers(stage):
        await stage.deployer.deploy(SHOP, ONE, Rolling())
        handle = await stage.start(
            await stage.deployer.plan(SHOP, TWO, Canary(steps=(50, 100), bake=2, analysis=()))
        )
        await stage.until(Intended, "bake-50")
    async with workers(stage):
        result = await outcome(handle)

    assert result.promoted
    assert await stage.records(TookOver) == []


async def test_what_is_refused_is_refused_for_good(stage: Stage) -> None:
    """A stale plan fails the workflow with the name and the words of the error, and is not tried again."""
    stale = await stage.deployer.plan(SHOP, TWO, Rolling())
    await stage.deployer.deploy(SHOP, ONE, Rolling())
    async with workers(stage):
        handle = await stage.start(stale)
        with pytest.raises(WorkflowFailureError) as caught:
            await outcome(handle)

    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "StalePlan"
    assert "shop" in str(cause)


def test_a_workflow_imports_nothing_that_acts() -> None:
    """What runs in Temporal's sandbox brings neither an event loop, nor HTTP, nor a database, nor the engine."""
    program = (
        "import sys, temporalio.workflow, temporalio.common; before = set(sys.modules)\n"
        "import fairdeploy.temporal.workflow\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=250
    )
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    rooms = {".".join(name.split(".")[:2]) for name in ran.stdout.split() if name.startswith("fairdeploy.")}

    assert not loaded & {"anyio", "httpx", "sqlite3", "socket", "ssl", "subprocess", "asyncpg", "pydantic"}
    assert rooms == {"fairdeploy.errors", "fairdeploy.model", "fairdeploy.protocols", "fairdeploy.temporal"}

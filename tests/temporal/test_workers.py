"""Workers as programs of their own: one is killed in the middle, several share many rollouts."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from temporalio.client import Client, WorkflowHandle

from fairdeploy import Canary, Deployer, Outcome, Recreate, Release, Rolling, Target
from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import Intended, TookOver
from fairdeploy.temporal.starting import outcome, start_rollout
from fairdeploy.temporal.workflow import RolloutWorkflow
from tests.contracts import source
from tests.proof.stage import application, lost, stage, under_load
from tests.temporal.server import temporal_server
from tests.temporal.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import Process

    from fairdeploy.engine import Rollout
    from fairdeploy.model import RolloutResult
    from tests.proof.stage import Stage

__all__ = ["temporal_server"]

pytestmark = [pytest.mark.anyio, pytest.mark.temporal, pytest.mark.timeout(300)]

ROLLOUTS = 20


@asynccontextmanager
async def worker(address: str, uri: str) -> AsyncIterator[Process]:
    """Run a worker in a program of its own while the block runs."""
    argv = [sys.executable, "-m", "tests.temporal.worker", address, uri, "6"]
    async with await anyio.open_process(argv, cwd=source.ROOT, stderr=None) as program:
        assert program.stdout is not None
        try:
            with anyio.fail_after(60):
                assert await program.stdout.receive() == b"working\n"
            yield program
        finally:
            if program.returncode is None:
                program.terminate()
            await program.wait()


@pytest.mark.load
async def test_a_worker_is_killed_in_the_middle(temporal_server: str, tmp_path: Path) -> None:
    """Real processes, a real router, visitors: after a SIGKILL at 25 % another worker goes on, and nothing is lost."""
    # It bakes until it is told to go on: whoever has the step in hand is killed within it, however late.
    canary = Canary(steps=[25, 100], bake=600, keep_warm=0, analysis=(), on_crash="resume")
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(stage(tmp_path / "deployments"))
        await on.deployer.deploy(on.target, application("v0"), Rolling())
        for _ in range(2):
            await stack.enter_async_context(worker(temporal_server, on.backend.uri))
        async with under_load(on.url, rate=50, requests=100_000) as load:
            plan = await on.deployer.plan(on.target, application("v1"), canary)
            handle = await start_rollout(await Client.connect(temporal_server), plan, heartbeat=30)
            rollout = await _begins(handle, on, "bake-25")
            await _kill_who_has_it(handle)
            with anyio.fail_after(180):
                await _is_taken_over(rollout)
                await rollout.promote(full=True)
                result = await outcome(handle)
        report = load.report()
        events = await on.backend.journal.read(result.rollout)

    assert result.outcome is Outcome.PROMOTED
    assert sum(isinstance(event.record, TookOver) for event in events) == 1
    assert report.lost == 0, lost(report)


async def _begins(handle: WorkflowHandle[RolloutWorkflow, str], on: Stage, step: str) -> Rollout:
    """Wait until a step is intended, and return its rollout."""
    with anyio.fail_after(60):
        while not (progress := await handle.query(RolloutWorkflow.progress)).rollout:  # noqa: ASYNC110 -- a workflow tells no news
            await anyio.sleep(0.1)
        rollout = await on.deployer.attach(progress.rollout)
        async for event in rollout.events():
            if isinstance(event.record, Intended) and event.record.step == step:
                return rollout
    pytest.fail(f"it ended before {step!r}")


async def _is_taken_over(rollout: Rollout) -> None:
    """Wait until another worker has taken over."""
    async for event in rollout.events():
        if isinstance(event.record, TookOver):
            return


async def _kill_who_has_it(handle: WorkflowHandle[RolloutWorkflow, str]) -> None:
    """Kill the worker that has the rollout's step in hand, by what Temporal knows of it: a process id and a host."""
    with anyio.fail_after(60):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].last_worker_identity:
                break
            await anyio.sleep(0.1)  # between two steps nobody has one
    os.kill(int(pending[0].last_worker_identity.partition("@")[0]), signal.SIGKILL)


async def test_several_workers_share_many_rollouts(temporal_server: str, tmp_path: Path) -> None:
    """Each step of each of them is carried out by whichever worker is free, and every one is promoted."""
    client = await Client.connect(temporal_server)
    async with AsyncExitStack() as stack:
        path = tmp_path / "journal.sqlite"
        journal = await stack.enter_async_context(SQLiteJournal.open(path))
        for _ in range(2):
            await stack.enter_async_context(worker(temporal_server, f"shelf:{tmp_path} sqlite://{path}"))
        deployer = Deployer(Shelf(tmp_path, journal), validate=False)
        results: list[RolloutResult] = []

        async def one(number: int) -> None:
            target, release = Target(f"app-{number}", replicas=1), Release("1", command=["work"])
            plan = await deployer.plan(target, release, Recreate())
            results.append(await outcome(await start_rollout(client, plan, heartbeat=60)))

        async with anyio.create_task_group() as tasks:
            for number in range(ROLLOUTS):
                tasks.start_soon(one, number)
        infos = await journal.rollouts()

    assert [result.outcome for result in results] == [Outcome.PROMOTED] * ROLLOUTS
    assert len(infos) == ROLLOUTS

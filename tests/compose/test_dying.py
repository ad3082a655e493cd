"""A deploying program is killed while Compose makes containers for it; workers and groups are deployed."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen, Deployer, Release, Rolling, Target
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.strategies import sequence

if TYPE_CHECKING:
    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(600)]

QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())
PROGRAM = """
import anyio, sys
from fairdeploy import BlueGreen, Deployer, Release, Target
from fairdeploy.backends.compose import ComposeBackend

async def main():
    async with ComposeBackend.open(sys.argv[1], guard=False) as backend:
        release = Release("killed", command=["sleep", "3600"])
        plan = await Deployer(backend, validate=False).plan(Target("app", replicas=2), release, BlueGreen())
        async with Deployer(backend, validate=False).run(plan) as rollout:
            async for event in rollout.events():
                print(event.record.kind, getattr(event.record, "step", ""), flush=True)

anyio.run(main)
"""


async def test_who_is_killed_while_containers_are_made_leaves_none(made: Project) -> None:
    """Recovery waits for the order that is still being carried out, and removes what it has made."""
    target = Target("app", replicas=2)
    async with ComposeBackend.open(made.file, "app", home=made.home, guard=False) as backend:
        await backend.observe(target)
        argv = [sys.executable, "-c", PROGRAM, backend.uri]
        async with await anyio.open_process(argv, stderr=subprocess.DEVNULL) as process:
            with anyio.fail_after(150):
                while not made.containers():  # noqa: ASYNC110 -- until Compose has begun to make them
                    await anyio.sleep(0.01)
            process.kill()
        deployer = Deployer(backend, validate=False, lease=5)
        deadline = time.monotonic() + 200
        while await backend.journal.rollouts(unfinished=True):
            assert time.monotonic() < deadline
            await deployer.recover()
            await anyio.sleep(0.2)
        seen = await backend.observe(target)
    assert seen.revisions == ()
    assert made.containers() == []


async def test_workers_are_rolled_too(made: Project) -> None:
    """A service that listens nowhere: the new one works beside the old one until it is marked and stopped."""
    target = Target("beside", replicas=2)
    made.compose("up", "-d", "beside")
    async with ComposeBackend.open(made.file, "beside", home=made.home, guard=False) as backend:
        deployer = Deployer(backend, validate=False)
        release = Release("none", command=["sleep", "1"])
        for version in ("w1", "w2"):
            release = Release(version, command=["sleep", "3600"], env={"VERSION": version})
            result = await deployer.deploy(
                target, release, Rolling(max_surge=1, analysis=()) if version == "w2" else QUICK
            )
            assert result.promoted
        seen = await backend.observe(target)
    assert [each.id for each in seen.revisions] == [release.revision]
    assert len(made.containers()) == 2


async def test_services_are_deployed_as_a_group(made: Project) -> None:
    """Both are promoted at once; where the second cannot come up, neither is."""
    made.compose("up", "-d")
    before = set(made.containers())
    targets = (Target("app"), Target("beside"))
    async with ComposeBackend.open(made.file, ["app", "beside"], home=made.home, guard=False) as backend:
        deployer = Deployer(backend, validate=False)
        good = Release("good", command=["sleep", "3600"], env={"VERSION": "good"})
        bad = Release("bad", command=["false"])
        for second, promoted in ((bad, False), (good, True)):
            plans = [
                await deployer.plan(target, release, QUICK)
                for target, release in zip(targets, (good, second), strict=True)
            ]
            async with deployer.run(sequence(*plans)) as rollout:
                result = await rollout.result()
            assert result.promoted is promoted
            if not promoted:
                assert set(made.containers()) == before
        stable = [(await backend.observe(target)).stable for target in targets]
    assert stable == [good.revision, good.revision]
    assert not before & set(made.containers())

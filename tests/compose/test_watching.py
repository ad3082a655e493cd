"""What is promoted is looked after while nobody deploys."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen, HTTPProbe, Probes
from tests.compose.stage import application, stage
from tests.docker import docker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.compose.stage import Project

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(600)]

QUICK = BlueGreen(watch=0, keep_warm=0, analysis=())


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so."""
    with anyio.fail_after(150):
        while not await look():  # noqa: ASYNC110 -- others change it
            await anyio.sleep(0.1)


async def test_a_container_that_comes_back_elsewhere_is_found_by_the_router(made: Project) -> None:
    """Old containers have left lower addresses free: one that is started again gets another one than it had."""
    made.compose("up", "-d", "app")
    async with stage(made, replicas=1, guard=True) as on:
        await on.deployer.deploy(on.target, application("v1"), QUICK)
        before = (await on.backend.observe(on.target)).revisions[0].instances[0]
        docker("restart", before.id)
        after = (await on.backend.observe(on.target)).revisions[0].instances[0]
        assert after.id == before.id
        assert after.address != before.address
        router = on.backend.router
        assert router is not None

        async def found() -> bool:
            # The router believes in the old address until its next check: both must be so.
            now = await router.observe(on.target)
            pools = now.written.pools if now.written is not None else ()
            members = [member for pool in pools for member in pool.members if member.instance == after.id]
            return [member.address for member in members] == [after.address] and after.id in now.healthy

        await until(found)


async def test_a_container_that_hangs_is_restarted(made: Project) -> None:
    """Its liveness probe fails as often as it may: it is started again, and gets ready."""
    release = application("v1")
    readiness = release.probes.readiness
    probes = Probes(readiness=readiness, liveness=HTTPProbe("/health", interval_ms=200, timeout_ms=3_000))
    async with stage(made, replicas=1, guard=True) as on:
        await on.deployer.deploy(on.target, replace(release, probes=probes), QUICK)
        (container,) = made.containers()
        began = made.shown(container)["State"]
        log = made.home / "watch.log"

        async def watched() -> bool:  # before its first success it has a minute
            return log.exists() and "is being watched" in log.read_text()

        await until(watched)
        docker("kill", "--signal", signal.SIGSTOP.name, container)

        async def again() -> bool:
            return made.shown(container)["State"] != began and (
                (await on.backend.observe(on.target)).revisions[0].instances[0].ready
            )

        await until(again)
    assert made.containers() == [container]

"""Nothing is lost while routes change under load."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.model import HTTPProbe, Member, Pool, Routes, Split
from fairdeploy.routing.envoy import EnvoyRouter
from fairdeploy.routing.haproxy import HAProxyRouter
from fairdeploy.testing.apps.processes import app_process
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection, post, websocket
from tests.routing.conftest import FENCE, light_binary
from tests.routing.test_envoy import eventually, serve

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import Target
    from fairdeploy.protocols import TrafficRouter
    from fairdeploy.testing.load import LoadProcess
    from tests.routing.keeper import TaskKeeper

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.load, pytest.mark.timeout(600)]

LATE = 60.0
"""Seconds after which an answer counts as lost: a busy machine is slow."""
MIX = (
    keep_alive(weight=60, timeout=LATE),
    new_connection(weight=25, timeout=LATE),
    post(weight=14, timeout=LATE),
    websocket(weight=1, messages=3, every=0.05, timeout=LATE),
)
PATIENT = LoadSettings(stop_within=LATE)


async def started(stack: AsyncExitStack, revision: str) -> Pool:
    """Start the only instance of a revision."""
    app = await stack.enter_async_context(app_process("polite", "--revision", revision, "--drain", "0"))
    member = Member(f"{revision}-1", app.url.removeprefix("http://"))
    return Pool(revision, (member,), HTTPProbe("/health", interval_ms=100))


async def drained(router: TrafficRouter, target: Target, instance: str) -> None:
    """Wait until nothing has been in flight on an instance several times in a row."""
    idle = 0

    async def quiet() -> bool:
        nonlocal idle
        flight = (await router.observe(target)).in_flight or {}
        idle = 0 if flight.get(instance) else idle + 1
        return idle == 5

    await eventually(quiet)


async def answered(load: LoadProcess, *revisions: str, number: int) -> None:
    """Wait until each revision has answered so many: how fast routes change is the machine's affair."""

    async def so_many() -> bool:
        seen = load.snapshot().by_revision
        return all(revision in seen and seen[revision].requests >= number for revision in revisions)

    await eventually(so_many)


async def test_fifty_changes_and_three_replacements_lose_nothing(router: EnvoyRouter, target: Target) -> None:
    """Weights move 51 times; three times the old process is drained, removed and stopped at once."""
    await fifty_changes(router, target)


async def test_nor_does_the_light_router(keeper: TaskKeeper, tmp_path: Path, target: Target) -> None:
    """HAProxy is told through its runtime socket, and never reloaded."""
    await light_binary()
    await fifty_changes(HAProxyRouter(tmp_path, keeper), target)
    assert (tmp_path / "shop/production/haproxy.log").read_text().count("haproxy version") <= 1


async def fifty_changes(router: TrafficRouter, target: Target) -> None:
    """Change weights under load, and replace the old revision three times."""
    async with AsyncExitStack() as apps:
        stack = await apps.enter_async_context(AsyncExitStack())
        old = await started(stack, "v0")
        await serve(router, target, Routes((old,), split=Split.all_to("v0")))
        async with load_process(f"http://{target.endpoint}", mix=MIX, rate=150, settings=PATIENT) as load:
            await answered(load, "v0", number=50)
            for revision in ("v1", "v2", "v3"):
                fresh = await apps.enter_async_context(AsyncExitStack())
                new = await started(fresh, revision)
                for basis_points in (1, 100, 500, 2_500, 5_000, 9_000, 5_000, 100) * 2:
                    split = Split.between(old.revision, revision, basis_points)
                    await serve(router, target, Routes((old, new), split=split))
                await router.apply(target, Routes((new,), split=Split.all_to(revision)), FENCE)
                await serve(router, target, Routes((new,), split=Split.all_to(revision)))
                await answered(load, revision, number=50)
                await drained(router, target, f"{old.revision}-1")
                await stack.aclose()
                stack, old = fresh, new
        report = load.report()
        counted = await router.counters(target)

    assert report.lost == report.app_errors == 0, str(report)
    assert set(report.by_revision) == {"v0", "v1", "v2", "v3"}
    assert counted["v3"].errors == 0


async def test_changes_that_break_off_lose_nothing_and_are_completed(
    router: EnvoyRouter, target: Target, keeper: TaskKeeper, tmp_path: Path
) -> None:
    """Forty changes of members and weights end after a few milliseconds at most; the next one finds its way from there."""
    chance = random.Random(7)
    async with AsyncExitStack() as apps:
        pools = [await started(apps, revision) for revision in ("v0", "v1", "v2")]
        first, second, third = pools
        await serve(router, target, Routes((first,), split=Split.all_to("v0")))
        async with load_process(f"http://{target.endpoint}", mix=MIX, rate=100, settings=PATIENT) as load:
            for _ in range(40):
                other = EnvoyRouter(tmp_path, keeper)
                seen = await other.observe(target)
                well = [pool for pool in pools if pool.members[0].instance in seen.healthy] or [first]
                served = chance.choice(well)
                extra = chance.sample(pools, chance.randint(0, 2))
                wanted = Routes(tuple(dict.fromkeys([served, *extra])), split=Split.all_to(served.revision))
                with anyio.move_on_after(chance.choice([0.003, 0.01, 0.02, 1])):
                    # As a deployer does: what is begun is completed before another thing is begun.
                    await other.apply(
                        target, wanted if seen.acknowledged else (seen.written or wanted), FENCE
                    )
            last = Routes((second, third), split=Split.between("v1", "v2", 5_000))
            await serve(router, target, Routes(tuple(pools), split=Split.all_to("v1")))
            seen = await serve(router, target, last)
            await answered(load, "v1", "v2", number=20)
        report = load.report()

    assert seen.written == last
    assert report.lost == report.app_errors == 0, str(report)

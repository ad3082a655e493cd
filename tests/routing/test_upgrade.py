"""Envoy itself is replaced under load."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import websockets

from fairdeploy.errors import RouterError
from fairdeploy.model import Routes, Split, Target
from fairdeploy.testing.load import load_process
from tests.routing.conftest import forget_all
from tests.routing.test_envoy import eventually, serve, until
from tests.routing.test_load import MIX, PATIENT, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fairdeploy.routing.envoy import EnvoyRouter
    from tests.routing.keeper import TaskKeeper

pytestmark = [pytest.mark.anyio, pytest.mark.local, pytest.mark.load, pytest.mark.timeout(600)]


async def test_envoy_is_replaced_without_loss_and_kept_afterwards(
    router: EnvoyRouter, keeper: TaskKeeper, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Two replacements lose nothing; the last Envoy is restarted after a crash or a reboot like the first."""
    target = Target("shop", endpoint=f"127.0.0.1:{free_port()}", drain_ms=1_000, stream_drain_ms=2_000)
    async with AsyncExitStack() as stack:
        only = await started(stack, "v0")
        await serve(router, target, Routes((only,), split=Split.all_to("v0")))
        async with load_process(f"http://{target.endpoint}", mix=MIX, rate=100, settings=PATIENT) as load:
            for _ in range(2):
                await router.upgrade(target)
        report = load.report()
        kept = await keeper.states()
        pid = kept["envoy.shop.production.2"].pid
        assert pid
        os.kill(pid, signal.SIGKILL)

        async def restarted() -> bool:
            return (await keeper.states())["envoy.shop.production.2"].restarts > 0

        await eventually(restarted)
        seen = await until(
            router, target, lambda seen: seen.acknowledged and bool(seen.healthy), restarting=True
        )
        async with websockets.connect(f"ws://{target.endpoint}/ws", proxy=None, open_timeout=60) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"

        await keeper.stop("envoy.shop.production.2")
        forget_all(tmp_path)
        await serve(router, target, Routes((only,), split=Split.all_to("v0")))
        rebooted = await keeper.states()

    assert list(kept) == ["envoy.shop.production.2"]
    assert list(rebooted) == ["envoy.shop.production"]
    assert report.lost == report.app_errors == 0, str(report)
    assert report.requests > 200
    assert seen.healthy == {"v0-1"}


async def test_without_an_envoy_there_is_nothing_to_replace(router: EnvoyRouter, target: Target) -> None:
    """The message says what to do first."""
    with pytest.raises(
        RouterError, match="'shop/production' has no Envoy to replace: apply its routes first"
    ):
        await router.upgrade(target)

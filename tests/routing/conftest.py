"""Real Envoys, real applications, real ports."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.errors import MissingDependency
from fairdeploy.model import HTTPProbe, Member, Pool, Target
from fairdeploy.protocols import Fence
from fairdeploy.routing.envoy import EnvoyRouter, binary
from fairdeploy.routing.envoy.process import forget_memory
from fairdeploy.routing.envoy.state import STATE_FILE, load
from fairdeploy.routing.haproxy.binary import find as find_light
from tests import ports
from tests.routing.application import Application, application
from tests.routing.keeper import TaskKeeper, kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FENCE = Fence(epoch=1, key="test")


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    """Find Envoy. Without one, tests are skipped; but not where they are to be relied on."""
    try:
        return anyio.run(binary.find, None)
    except MissingDependency as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Envoy here: {exc}")


async def light_binary() -> None:
    """Find HAProxy, as Envoy is found."""
    try:
        await find_light(None)
    except MissingDependency as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no HAProxy here: {exc}")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give ports that nobody listens on."""
    return ports.free_port


def forget_all(folder: Path) -> None:
    """Remove the shared memory of every Envoy that had its place in a folder."""
    for path in folder.rglob(STATE_FILE):
        if state := load(path.parent):
            forget_memory(state.base_id)


@pytest.fixture
async def keeper(envoy_binary: Path, tmp_path: Path) -> AsyncIterator[TaskKeeper]:
    """Keep Envoys for the time of a test, and leave no shared memory behind."""
    async with kept() as keeper:
        yield keeper
    forget_all(tmp_path)


@pytest.fixture
def router(keeper: TaskKeeper, tmp_path: Path) -> EnvoyRouter:
    """Open a router on an empty folder."""
    return EnvoyRouter(tmp_path, keeper)


@pytest.fixture
def target(free_port: Callable[[], int]) -> Target:
    """Name a target on a free port."""
    return Target("shop", endpoint=f"127.0.0.1:{free_port()}")


@pytest.fixture
async def old() -> AsyncIterator[Application]:
    """Run the old revision's only instance."""
    async with application("old") as app:
        yield app


@pytest.fixture
async def new() -> AsyncIterator[Application]:
    """Run the new revision's only instance."""
    async with application("new") as app:
        yield app


def pool(*apps: Application, path: str = "/health") -> Pool:
    """Return the pool of applications of one revision."""
    members = tuple(Member(app.instance, app.address) for app in apps)
    return Pool(apps[0].revision, members, HTTPProbe(path, interval_ms=50))

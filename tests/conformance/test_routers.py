"""Our routers keep the contract that we ask of others."""

from __future__ import annotations

import heapq
import os
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.errors import MissingDependency
from fairdeploy.model import Capability, Member, Target
from fairdeploy.routing.envoy import EnvoyRouter, binary
from fairdeploy.routing.haproxy import HAProxyRouter
from fairdeploy.testing.conformance import TrafficRouterConformance
from fairdeploy.testing.simulation import Behaviour, Demand, SimulatedBackend, World
from fairdeploy.testing.simulation.router import ROUTER_ABILITIES
from tests.routing.conftest import light_binary
from tests.routing.keeper import kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from fairdeploy.model import Probe
    from fairdeploy.protocols import TrafficRouter
    from fairdeploy.testing.conformance import Opened, Visitors

TARGET = Target("conformance", endpoint="127.0.0.1:8080")
HEADER = "x-smoke"


class SimulatedVisitors:
    """Visitors of a simulated world, which come one by one instead of at a rate."""

    probe: Probe | None = None

    def __init__(self, world: World) -> None:
        self.world = world

    async def instance(self, revision: str) -> Member:
        """Start a machine."""
        place = self.world.place(TARGET.id)
        self.world.start(place, TARGET, revision, serves=True)
        machine = place.running()[-1]
        while not machine.ready(self.world.now()):  # noqa: ASYNC110 -- its time is on the clock, no event tells
            await anyio.sleep(0.001)
        return Member(machine.id, machine.address or "")

    async def nobody(self, revision: str) -> Member:
        """Name a machine that was never started."""
        return Member(f"{revision}-never", "sim-0:80")

    async def request(self, target: Target, headers: Mapping[str, str] | None = None) -> str | None:
        """Let one visitor arrive, and say where it was sent."""
        flow, routes = self.world.place(target.id).flow, self.world.place(target.id).served(self.world.now())
        rules = routes.headers if routes else ()
        for rule in rules:
            if (headers or {}).get(rule.name) == rule.value:
                return rule.revision
        before = {entry[1] for entry in flow._under_way}
        flow._arrive(self.world.now())
        return next((entry[3] for entry in flow._under_way if entry[1] not in before), None)

    @asynccontextmanager
    async def lingering(self, target: Target) -> AsyncIterator[None]:
        """Let a visitor arrive who stays."""
        flow = self.world.place(target.id).flow
        before = {entry[1] for entry in flow._under_way}
        flow._arrive(self.world.now())
        (mine,) = [entry for entry in flow._under_way if entry[1] not in before]
        flow._under_way.remove(mine)
        stays = (inf, *mine[1:])
        flow._under_way.append(stays)
        heapq.heapify(flow._under_way)
        yield
        flow._under_way.remove(stays)
        heapq.heapify(flow._under_way)


class TestSimulated(TrafficRouterConformance):
    """The simulated router, with its clock on the event loop's own time."""

    capabilities = ROUTER_ABILITIES
    unusable = None

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """Run on both event loops."""
        return str(request.param)

    @pytest.fixture
    def world(self) -> World:
        """Give a quick world."""
        quick = Demand(low_ms=1, high_ms=2)
        return World(default=Behaviour(start_seconds=0.001), demand=quick, ack_seconds=0.01)

    @pytest.fixture
    def target(self) -> Target:
        """Give a target; its endpoint is a name only."""
        return TARGET

    @pytest.fixture
    def visiting(self, world: World) -> Opened[Visitors]:
        """Give the visitors of the world."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[Visitors]:
            yield SimulatedVisitors(world)

        return opening

    @pytest.fixture
    def opened(self, world: World) -> Opened[TrafficRouter]:
        """Open routers on the world."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[TrafficRouter]:
            router = SimulatedBackend(world).router
            assert router is not None
            yield router

        return opening


@pytest.mark.local
class TestEnvoy(TrafficRouterConformance):
    """A real Envoy."""

    capabilities = ROUTER_ABILITIES

    @pytest.fixture
    async def opened(self, tmp_path: Path) -> AsyncIterator[Opened[TrafficRouter]]:
        """Open routers on one folder; Envoy ends with the test."""
        try:
            await binary.find(None)
        except MissingDependency as exc:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no Envoy here: {exc}")
        async with kept() as keeper:

            @asynccontextmanager
            async def opening() -> AsyncIterator[TrafficRouter]:
                yield EnvoyRouter(tmp_path, keeper)

            yield opening


@pytest.mark.local
class TestHAProxy(TrafficRouterConformance):
    """A real HAProxy."""

    capabilities = ROUTER_ABILITIES - {Capability.MIRROR, Capability.STICKY}

    @pytest.fixture
    async def opened(self, tmp_path: Path) -> AsyncIterator[Opened[TrafficRouter]]:
        """Open routers on one folder; HAProxy ends with the test."""
        await light_binary()
        async with kept() as keeper:

            @asynccontextmanager
            async def opening() -> AsyncIterator[TrafficRouter]:
                yield HAProxyRouter(tmp_path, keeper)

            yield opening

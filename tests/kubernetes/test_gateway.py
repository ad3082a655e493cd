"""The router of a Gateway keeps the contract of routers: with real pods, behind a real gateway."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import httpx
import pytest

from fairdeploy.model import Capability, Member, Target
from fairdeploy.routing.kubernetes.client import connected
from fairdeploy.routing.kubernetes.gateway import GatewayRouter
from fairdeploy.testing.conformance import TrafficRouterConformance
from tests.cluster import GATEWAY, Reached, namespace
from tests.kubernetes.visitors import PodVisitors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairdeploy.protocols import TrafficRouter
    from fairdeploy.testing.conformance import Opened, Visitors

pytestmark = [pytest.mark.kubernetes, pytest.mark.whole_cluster]


class TestGateway(TrafficRouterConformance):
    """Traefik, told by an HTTPRoute."""

    capabilities = frozenset({Capability.WEIGHTS, Capability.HEADERS, Capability.DRAIN_TIMED})
    patience: ClassVar[float] = 60.0
    parade: ClassVar[int] = 6
    unusable: ClassVar[Member | None] = None

    @pytest.fixture
    def own(self, whole_cluster: Reached) -> Iterator[str]:
        """Give a namespace of the test's own."""
        with namespace(whole_cluster) as name:
            yield name
            # Routes of two namespaces for the same host are in each other's way.
            whole_cluster.kubectl("-n", name, "delete", "httproutes", "--all")

    @pytest.fixture
    def target(self, gateway: str) -> Target:
        """Give a target where the gateway listens."""
        return Target("conformance", endpoint=gateway)

    @pytest.fixture
    def elsewhere(self, gateway: str) -> Target:
        """Give another target, of another host name."""
        port = gateway.rpartition(":")[2]
        return Target("conformance", environment="elsewhere", endpoint=f"localhost:{port}")

    @pytest.fixture
    def visiting(self, whole_cluster: Reached, own: str, target: Target) -> Opened[Visitors]:
        """Give pods."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[Visitors]:
            async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
                yield PodVisitors(whole_cluster, own, target, client)

        return opening

    @pytest.fixture
    def opened(self, whole_cluster: Reached, own: str) -> Opened[TrafficRouter]:
        """Open routers on one namespace."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[TrafficRouter]:
            async with connected(own, kubeconfig=str(whole_cluster.kubeconfig)) as client:
                yield GatewayRouter(client, GATEWAY)

        return opening

"""The router of a Service keeps the contract of routers: with real pods, asked from within the cluster."""

from __future__ import annotations

import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import anyio.to_thread
import httpx
import pytest

from fairdeploy.model import Capability, Member, Target
from fairdeploy.routing.kubernetes import ServiceRouter
from fairdeploy.routing.kubernetes.client import connected
from fairdeploy.testing.conformance import TrafficRouterConformance
from tests.cluster import Reached, namespace
from tests.kubernetes.visitors import PodVisitors
from tools.kubernetes import build

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from fairdeploy.protocols import TrafficRouter
    from fairdeploy.testing.conformance import Opened, Visitors

pytestmark = [pytest.mark.kubernetes, pytest.mark.whole_cluster]


class InsideVisitors(PodVisitors):
    """Visitors who ask from a pod, as a Service has no address outside."""

    async def request(self, target: Target, headers: Mapping[str, str] | None = None) -> str | None:
        """Send one request to the Service; nobody may answer."""
        name = target.environment
        address = await self._ask("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
        argv = [
            *(str(build.build("kubectl")), f"--kubeconfig={self._reached.kubeconfig}", "-n", self._namespace),
            *("exec", "visitor", "--", "/bin/app", "get", f"http://{address}/"),
        ]
        said = await anyio.to_thread.run_sync(
            lambda: subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        )
        return said.stdout.strip() or None


class TestService(TrafficRouterConformance):
    """One Service, pointed at one revision after another."""

    capabilities = frozenset({Capability.SWITCHES, Capability.DRAIN_TIMED})
    patience: ClassVar[float] = 60.0
    parade: ClassVar[int] = 4
    unusable: ClassVar[Member | None] = None

    @pytest.fixture
    def own(self, whole_cluster: Reached) -> Iterator[str]:
        """Give a namespace of the test's own, with somebody in it who asks."""
        with namespace(whole_cluster) as name:
            box = ["--image=fairdeploy/app:1", "--restart=Never", "--command", "--", "sleep", "3600"]
            whole_cluster.kubectl("-n", name, "run", "visitor", *box)
            whole_cluster.kubectl("-n", name, "wait", "--for=condition=Ready", "pod/visitor", "--timeout=60s")
            yield name

    @pytest.fixture
    def target(self) -> Target:
        """Give a target; its Service is called as its environment."""
        return Target("conformance", environment="production", endpoint="127.0.0.1:80")

    @pytest.fixture
    def elsewhere(self) -> Target:
        """Give another target."""
        return Target("conformance", environment="elsewhere", endpoint="127.0.0.1:80")

    @pytest.fixture
    def visiting(self, whole_cluster: Reached, own: str, target: Target) -> Opened[Visitors]:
        """Give pods."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[Visitors]:
            async with httpx.AsyncClient() as client:
                yield InsideVisitors(whole_cluster, own, target, client)

        return opening

    @pytest.fixture
    def opened(self, whole_cluster: Reached, own: str) -> Opened[TrafficRouter]:
        """Open routers on one namespace."""

        @asynccontextmanager
        async def opening() -> AsyncIterator[TrafficRouter]:
            async with connected(own, kubeconfig=str(whole_cluster.kubeconfig)) as client:
                yield ServiceRouter(client, "production", settle=0.5)

        return opening

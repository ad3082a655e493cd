"""The backend of a cluster as a crash house: a real API server, behind which everything else is a stand-in, under load."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import kubernetes_asyncio.client  # noqa: F401 -- seconds, once for all programs that are forked

from fairdeploy.backends.kubernetes import KubernetesBackend
from fairdeploy.model import HTTPProbe, Job, Probes, Release, Target
from fairdeploy.routing.kubernetes import GatewayRouter, names
from fairdeploy.testing.crash import Housing
from fairdeploy.testing.load import LoadSettings, keep_alive, load_process, new_connection, post
from tests.cluster import Reached, namespace
from tests.kubernetes.standin import HTTP_ROUTES, standing_in
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.model import Deployment
    from fairdeploy.protocols import Backend
    from fairdeploy.testing.crash import House
    from fairdeploy.testing.load import LoadProcess

__all__ = ["RATE", "KubernetesHouse", "house_of"]

RATE = 30.0


@final
class KubernetesHouse:
    """A namespace, routed by a gateway, with the journal that everybody finds there."""

    def __init__(self, namespace: str, kubeconfig: str, endpoint: str, traces: str) -> None:
        self._namespace = namespace
        self._reached = Reached(Path(kubeconfig))
        self._traces = Path(traces)
        self._target = Target("shop", replicas=2, endpoint=endpoint, drain_ms=500, stream_drain_ms=500)

    @property
    def target(self) -> Target:
        """See `CrashHouse.target`."""
        return self._target

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """See `CrashHouse.open`."""
        return KubernetesBackend.open(
            f"kubernetes:///{self._namespace}",
            kubeconfig=str(self._reached.kubeconfig),
            router=lambda client: GatewayRouter(client, "web", settle=0.4),
        )

    def release(self, version: str) -> Release:
        """See `CrashHouse.release`."""
        probes = Probes(readiness=HTTPProbe("/", interval_ms=200))
        return Release(version, image="app:1", probes=probes, stop_grace_ms=1_000)

    def job(self, version: str) -> Job:
        """See `CrashHouse.job`."""
        return Job("trace", command=["trace", version])

    def runs(self, version: str) -> int:
        """See `CrashHouse.runs`."""
        trace = self._traces / version
        return len(trace.read_text().splitlines()) if trace.exists() else 0

    def load(self) -> AbstractAsyncContextManager[LoadProcess]:
        """See `CrashHouse.load`."""
        mix = (keep_alive(weight=70), new_connection(weight=15), post(weight=15))
        return load_process(f"http://{self._target.endpoint}", mix=mix, rate=RATE, settings=LoadSettings())

    def strays(self, deployment: Deployment) -> Sequence[str]:
        """See `CrashHouse.strays`: pods that no instance accounts for."""
        known = {instance.id for revision in deployment.revisions for instance in revision.instances}
        found = json.loads(
            self._reached.kubectl("-n", self._namespace, "get", "pods", "-o", "json", "-l", names.REVISION)
        )
        there = {each["metadata"]["name"] for each in found["items"]}
        return [f"pod {each}" for each in sorted(there - known)]


@asynccontextmanager
async def kubernetes_house(reached: Reached) -> AsyncIterator[Housing]:
    """Give a new namespace, and take it away in the end."""
    reached.kubectl("apply", "-f", "-", given=HTTP_ROUTES)
    reached.kubectl(
        "wait", "--for=condition=Established", f"crd/{json.loads(HTTP_ROUTES)['metadata']['name']}"
    )
    port, config = free_port(), str(reached.kubeconfig)
    traces = Path(tempfile.mkdtemp(prefix="fd-traces-"))
    try:
        with namespace(reached) as name:
            async with standing_in(name, config, traces, port=port):
                yield Housing.of(KubernetesHouse, name, config, f"127.0.0.1:{port}", str(traces))
    finally:
        shutil.rmtree(traces, ignore_errors=True)


def house_of(reached: Reached) -> House:
    """Return what gives new houses."""
    return partial(kubernetes_house, reached)

"""Who stands behind a router of a cluster: pods, made by hand; and who sends requests, by the gateway's port."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from fairdeploy.model import Member
from fairdeploy.routing.kubernetes import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from fairdeploy.model import Probe, Target
    from tests.cluster import Reached

APP = "fairdeploy/app:1"


class PodVisitors:
    """Pods of a namespace, and a real HTTP client."""

    probe: Probe | None = None

    def __init__(self, reached: Reached, namespace: str, target: Target, client: httpx.AsyncClient) -> None:
        self._reached = reached
        self._namespace = namespace
        self._target = target
        self._client = client
        self._started = 0

    async def instance(self, revision: str) -> Member:
        """Start a pod, and return it once it is ready."""
        name = await self._start(revision, "/health")
        await self._ask("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        return await self._member(name)

    async def nobody(self, revision: str) -> Member:
        """Return a pod that runs and is never ready."""
        name = await self._start(revision, "/health", UNWELL="1")
        await self._ask("wait", "--for=jsonpath={.status.podIP}", f"pod/{name}", "--timeout=60s")
        return await self._member(name)

    async def request(self, target: Target, headers: Mapping[str, str] | None = None) -> str | None:
        """Send one request over a connection of its own."""
        answer = await self._client.get(f"http://{target.endpoint}/", headers=dict(headers or {}))
        revision: str | None = answer.headers.get("x-revision")
        return revision

    @asynccontextmanager
    async def lingering(self, target: Target) -> AsyncIterator[None]:
        """Keep one request under way for two seconds."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._client.get, f"http://{target.endpoint}/lingering")
            yield

    async def _start(self, revision: str, path: str, **env: str) -> str:
        self._started += 1
        name = f"{revision}-{self._started}"
        labels = {
            names.TARGET: names.label(self._target),
            names.REVISION: revision,
            names.SERVING: "true",
            names.COLOUR: revision,
        }
        container = {
            "name": "app",
            "image": APP,
            "ports": [{"containerPort": 8000}],
            "env": [
                {"name": key, "value": value}
                for key, value in {"REVISION": revision, "DRAIN_MS": "0", **env}.items()
            ],
            "readinessProbe": {"httpGet": {"path": path, "port": 8000}, "periodSeconds": 1},
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
        }
        await self._ask("create", "-f", "-", given=json.dumps(pod))
        return name

    async def _member(self, name: str) -> Member:
        address = await self._ask("get", "pod", name, "-o", "jsonpath={.status.podIP}")
        return Member(name, f"{address}:8000")

    async def _ask(self, *arguments: str, given: str | None = None) -> str:
        return await anyio.to_thread.run_sync(
            lambda: self._reached.kubectl("-n", self._namespace, *arguments, given=given)
        )

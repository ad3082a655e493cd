"""What would be at work in a whole cluster, for a namespace of an API server that is alone: nothing of it runs, all is said.

Controllers make pods of Deployments, take away whose owner is gone, run jobs and fill EndpointSlices; a kubelet says that
pods are ready, and lets those go that are to be stopped; a gateway listens, and serves by what it knew a moment ago. Its
visitors lose a request where it would have been lost: it is sent to nobody, or to a pod that has been stopped.
"""

from __future__ import annotations

import itertools
import json
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

import anyio
from aiohttp import web

from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.client import Answered, Client, Object, connected
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

__all__ = ["HTTP_ROUTES", "standing_in"]

_EVERY: Final = 0.05
_LATE: Final = 0.2
"""Seconds that the gateway is behind: whoever stops a pod in the meantime loses requests."""
_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_SLICES: Final = "kubernetes.io/service-name"
_API: Final = "gateway.networking.k8s.io"
HTTP_ROUTES: Final = json.dumps(
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"httproutes.{_API}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
        },
        "spec": {
            "group": _API,
            "scope": "Namespaced",
            "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                    },
                }
            ],
        },
    }
)
"""HTTPRoutes as an API server may be taught them, where the Gateway API is not installed."""


@final
@dataclass(frozen=True, slots=True)
class _Served:
    """What a gateway knows.

    Args:
        marks: Paths that it redirects, by their last word.
        pools: Weights, and the pods that each is for.
    """

    marks: frozenset[str] = frozenset()
    pools: tuple[tuple[int, tuple[str, ...]], ...] = ()


@final
@dataclass(slots=True)
class _Cluster:
    """A namespace, looked at again and again.

    Args:
        client: Asks for it.
        traces: Folder in which each run of a job leaves a line, in the file that its last word names.
    """

    client: Client
    traces: Path
    alive: dict[str, str] = field(default_factory=dict)
    """Whose revision each pod is that answers."""
    _addresses: itertools.count[int] = field(default_factory=lambda: itertools.count(2))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def _path(self, resource: str, name: str | None = None, part: str | None = None) -> str:
        return names.path_of(self.client.namespace, resource, name, part)

    async def _all(self, resource: str) -> list[Object]:
        items: list[Object] = (await self.client.get(self._path(resource)))["items"]
        return items

    async def passed(self) -> _Served:
        """Do once what there is to do, and return what a gateway would read now."""
        deployments, pods = await self._all("deployments"), await self._all("pods")
        for each in deployments:
            await self._replicated(each, [pod for pod in pods if _owner(pod) == each["metadata"]["uid"]])
        for each in pods:
            await self._kept(each, {one["metadata"]["uid"] for one in deployments})
        self.alive = {
            each["metadata"]["name"]: each["metadata"]["labels"].get(names.REVISION, "")
            for each in pods
            if "deletionTimestamp" not in each["metadata"] and _ready(each)
        }
        for each in await self._all("jobs"):
            await self._run(each)
        behind = {
            each["metadata"]["name"]: await self._endpoints(each, pods)
            for each in await self._all("services")
        }
        return _served(await self._all("httproutes"), behind)

    async def _replicated(self, deployment: Object, pods: Sequence[Object]) -> None:
        """Make pods, or stop some, as a ReplicaSet's controller chooses them."""
        meta, spec = deployment["metadata"], deployment["spec"]
        there = [each for each in pods if "deletionTimestamp" not in each["metadata"]]
        for _ in range(spec["replicas"] - len(there)):
            await self._make(meta, spec["template"])
        surplus = max(0, len(there) - spec["replicas"])
        for each in sorted(there, key=_first_to_go)[:surplus]:
            await self.client.delete(self._path("pods", each["metadata"]["name"]), {})

    async def _make(self, owner: Object, template: Object) -> None:
        name = f"{owner['name']}-{next(self._numbers)}"
        told = {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner["name"], "uid": owner["uid"]}
        meta = {**template["metadata"], "name": name, "ownerReferences": [told]}
        spec = {**template["spec"], "nodeName": "node"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        with suppress(Answered):  # its name is taken: the next round draws another
            await self.client.create(self._path("pods"), pod)

    async def _kept(self, pod: Object, owners: set[str]) -> None:
        """Be the kubelet of a pod; and the garbage collector of one whose owner is gone."""
        meta = pod["metadata"]
        path = self._path("pods", meta["name"])
        if "deletionTimestamp" in meta:
            await self.client.delete(path, {"gracePeriodSeconds": 0})
        elif _owner(pod) not in owners:
            await self.client.delete(path, {})
        elif not _ready(pod):
            status = {
                "phase": "Running",
                "startTime": _now(),
                "podIP": f"10.244.{next(self._addresses) // 250}.{next(self._addresses) % 250}",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": _now()}],
            }
            with suppress(Answered):  # it has gone in between
                await self.client.merge(f"{path}/status", {"status": status})

    async def _run(self, job: Object) -> None:
        """Run a job that was let go, once; then say that it is done."""
        name, status = job["metadata"]["name"], job.get("status", {})
        if job["spec"].get("suspend") or status.get("completionTime"):
            return
        if not status.get("startTime"):
            word = job["spec"]["template"]["spec"]["containers"][0]["command"][-1]
            with (self.traces / word).open("a") as trace:
                trace.write(f"{name}\n")
            done: Object = {"startTime": _now(), "active": 0, "ready": 0}
        else:
            ends = [{"type": each, "status": "True"} for each in ("SuccessCriteriaMet", "Complete")]
            done = {"completionTime": _now(), "succeeded": 1, "conditions": ends}
        await self.client.merge(self._path("jobs", name, "status"), {"status": done})

    async def _endpoints(self, service: Object, pods: Sequence[Object]) -> tuple[str, ...]:
        """Keep the EndpointSlice of a Service, and return whom it sends requests to."""
        name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
        chosen = [
            each
            for each in pods
            if selector.items() <= each["metadata"]["labels"].items() and each.get("status", {}).get("podIP")
        ]
        endpoints = [_endpoint(each) for each in chosen] if selector else []
        path = self._path("endpointslices", f"{name}-1")
        found = await self.client.find(path)
        if found is None:
            body: Object = {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-1", "labels": {_SLICES: name}},
                "addressType": "IPv4",
                "endpoints": endpoints,
            }
            await self.client.create(self._path("endpointslices"), body)
        elif (found.get("endpoints") or []) != endpoints:
            await self.client.merge(path, {"endpoints": endpoints})
        return tuple(each["targetRef"]["name"] for each in endpoints if each["conditions"]["ready"])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _owner(pod: Object) -> str:
    return next((str(each["uid"]) for each in pod["metadata"].get("ownerReferences", [])), "")


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _first_to_go(pod: Object) -> tuple[bool, int]:
    """Order pods as a ReplicaSet's controller stops them: those not ready first, then by what it costs."""
    return _ready(pod), int(pod["metadata"].get("annotations", {}).get(_COST, "0"))


def _endpoint(pod: Object) -> Object:
    going = "deletionTimestamp" in pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": _ready(pod) and not going,
            "serving": _ready(pod),
            "terminating": going,
        },
        "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
    }


def _served(routes: Sequence[Object], behind: dict[str, tuple[str, ...]]) -> _Served:
    marks: set[str] = set()
    pools: list[tuple[int, tuple[str, ...]]] = []
    for rule in (rule for route in routes for rule in route["spec"]["rules"]):
        if rule.get("filters"):
            marks |= {each["path"]["value"].rpartition("/")[2] for each in rule["matches"]}
        elif not rule.get("matches"):
            pools += [(each["weight"], behind.get(each["name"], ())) for each in rule["backendRefs"]]
    return _Served(frozenset(marks), tuple(pools))


@final
@dataclass(slots=True)
class _Gateway:
    """Answers visitors in the place of pods."""

    cluster: _Cluster
    served: _Served = field(default_factory=_Served)

    async def know(self, served: _Served) -> None:
        """Serve by something, in a moment."""
        await anyio.sleep(_LATE)
        self.served = served

    async def answer(self, request: web.Request) -> web.Response:
        """Redirect who asks for a mark; else choose a pool by its weight, and a pod of it."""
        mark = request.path.rpartition("/")[2]
        if mark in self.served.marks:
            return web.Response(status=302, headers={"location": f"http://fairdeploy.invalid/{mark}"})
        weights = [weight for weight, _pods in self.served.pools]
        if not any(weights):
            return web.Response(status=503, text="no rule sends anybody anywhere")
        _weight, pods = random.choices(self.served.pools, weights)[0]
        revision = self.cluster.alive.get(random.choice(pods)) if pods else None
        if revision is None:
            return web.Response(status=502, text=f"nobody answers at {pods}")
        return web.Response(body=await request.read(), headers={"x-revision": revision})


@asynccontextmanager
async def standing_in(namespace: str, kubeconfig: str, traces: Path, *, port: int) -> AsyncIterator[None]:
    """Stand in for the rest of a cluster while the block runs; the gateway listens on a port of this machine."""
    async with connected(namespace, kubeconfig=kubeconfig) as client, anyio.create_task_group() as tasks:
        cluster = _Cluster(client, traces)
        gateway = _Gateway(cluster)

        async def working() -> None:
            before: _Served | None = None
            while True:
                now = await cluster.passed()
                if now != before:
                    tasks.start_soon(gateway.know, now)
                    before = now
                await anyio.sleep(_EVERY)

        runner = web.ServerRunner(web.Server(gateway.answer))  # type: ignore[arg-type]  # every request is a whole one
        try:
            async with serving(runner, port=port):
                tasks.start_soon(working)
                yield
        finally:
            tasks.cancel_scope.cancel()

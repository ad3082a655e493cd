"""Routers by weights, as an API server sees them: what they ask for, by whom it is written, and what they leave alone.

HTTPRoutes are carried out by a real gateway in `test_gateway`. Nobody carries out a GRPCRoute or a VirtualService here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fairdeploy.errors import Fenced, InvalidInput, Refused
from fairdeploy.model import HeaderRoute, Member, Pool, Routes, Split, Target
from fairdeploy.protocols import Fence
from fairdeploy.routing.kubernetes import GatewayRouter, IstioRouter
from fairdeploy.routing.kubernetes.client import connected
from tests.cluster import Reached, namespace
from tools.kubernetes import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.protocols import TrafficRouter
    from fairdeploy.routing.kubernetes.client import Client

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes, pytest.mark.timeout(300)]
ONE, TWO = Fence(epoch=1, key="one"), Fence(epoch=2, key="two")
POOLS = (Pool("old", (Member("a", "10.0.0.1:8000"),)), Pool("new", (Member("b", "10.0.0.2:9000"),)))
SHARED = Routes(
    POOLS,
    split=Split({"old": 7_500, "new": 2_500}),
    headers=(HeaderRoute(name="x-preview", value="1", revision="new"),),
)
OBJECTS = {"http": "httproutes", "grpc": "grpcroutes", "istio": "virtualservices"}
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
VIRTUAL_SERVICES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "virtualservices.networking.istio.io"},
    "spec": {
        "group": "networking.istio.io",
        "scope": "Namespaced",
        "names": {"kind": "VirtualService", "plural": "virtualservices", "singular": "virtualservice"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": SCHEMA}],
    },
}
"""VirtualServices as an API server may be taught them; Istio's own rules for them are not asked here."""


def teach(reached: Reached) -> None:
    """Let an API server know the kinds that divide traffic."""
    reached.kubectl("apply", "--server-side", "-f", str(build.gateway_api()))
    reached.kubectl("apply", "--server-side", "-f", "-", given=json.dumps(VIRTUAL_SERVICES))
    known = [f"crd/{each}.gateway.networking.k8s.io" for each in ("httproutes", "grpcroutes")]
    reached.kubectl("wait", "--for=condition=Established", *known, "crd/virtualservices.networking.istio.io")


@pytest.fixture(scope="module")
def own(api_server: Reached) -> Iterator[str]:
    """Give a namespace."""
    teach(api_server)
    with namespace(api_server) as name:
        yield name


def router(name: str, client: Client) -> TrafficRouter:
    """Return one of the routers."""
    if name == "istio":
        return IstioRouter(client, "web", settle=0)
    return GatewayRouter(client, "web", settle=0, kind="GRPCRoute" if name == "grpc" else "HTTPRoute")


def weights(kind: str, spec: dict[str, Any]) -> dict[str, int]:
    """Return the weight of each Service in the last rule, which is for everybody."""
    if kind == "istio":
        return {each["destination"]["host"]: each["weight"] for each in spec["http"][-1].get("route", [])}
    return {each["name"]: each["weight"] for each in spec["rules"][-1]["backendRefs"]}


@pytest.mark.parametrize("kind", OBJECTS)
async def test_weights_are_written_as_one_document(kind: str, api_server: Reached, own: str) -> None:
    """By server-side apply, under the fence; what others have written beside it stays."""

    def asked(*words: str) -> str:
        return api_server.kubectl("-n", own, *words)

    target, base = Target(kind, replicas=2), f"{kind}-production"  # no endpoint, as nobody listens there
    named = (OBJECTS[kind], base)
    async with connected(own, kubeconfig=str(api_server.kubeconfig)) as client:
        mine = router(kind, client)
        await mine.check(target)
        await mine.apply(target, SHARED, ONE)
        asked("annotate", *named, "somebody/else=was-here")
        written = json.loads(asked("get", *named, "-o", "json", "--show-managed-fields"))
        assert weights(kind, written["spec"]) == {
            f"{base}-blue": 7_500,
            f"{base}-green": 2_500,
        }
        assert "x-preview" in json.dumps(written["spec"])
        writers = {(each["manager"], each["operation"]) for each in written["metadata"]["managedFields"]}
        assert ("fairdeploy", "Apply") in writers
        port = "jsonpath={.spec.ports[0].targetPort}"
        assert asked("get", "service", f"{base}-green", "-o", port) == "9000"

        await mine.apply(target, SHARED, Fence(epoch=1, key="again"))
        same = json.loads(asked("get", *named, "-o", "json"))["metadata"]["annotations"]
        assert same["fairdeploy.io/document"] == written["metadata"]["annotations"]["fairdeploy.io/document"]
        await mine.apply(target, Routes(POOLS, split=Split.all_to("new")), TWO)
        after = json.loads(asked("get", *named, "-o", "json"))
        assert {key: value for key, value in weights(kind, after["spec"]).items() if value} == {
            f"{base}-green": 10_000
        }
        assert after["metadata"]["annotations"]["somebody/else"] == "was-here"
        with pytest.raises(Fenced):
            await router(kind, client).apply(target, SHARED, ONE)
        assert (await mine.observe(target)).written == Routes(POOLS, split=Split.all_to("new"))
        await mine.remove(target, TWO)
        assert (await mine.observe(target)).written is None
    assert asked("get", "services", "-o", "name") == ""


async def test_a_grpc_route_is_in_force_when_its_generation_is_accepted(
    api_server: Reached, own: str
) -> None:
    """Nothing else of it can be asked: a gateway cannot redirect there."""
    target = Target("calls", replicas=1)
    async with connected(own, kubeconfig=str(api_server.kubeconfig)) as client:
        mine = router("grpc", client)
        await mine.apply(target, Routes(POOLS[:1], split=Split.all_to("old")), ONE)
        name = "calls-production"
        generation = "jsonpath={.metadata.generation}"
        for behind in (1, 0):
            now = int(api_server.kubectl("-n", own, "get", "grpcroutes", name, "-o", generation))
            condition = {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "observedGeneration": now - behind,
            }
            parent = {"parentRef": {"name": "web"}, "controllerName": "a.test/x", "conditions": [condition]}
            patch = (
                "--subresource=status",
                "--type=merge",
                "-p",
                json.dumps({"status": {"parents": [parent]}}),
            )
            api_server.kubectl("-n", own, "patch", "grpcroutes", name, *patch)
            async with connected(own, kubeconfig=str(api_server.kubeconfig)) as another:
                seen = await router("grpc", another).observe(target)
            assert seen.acknowledged is not bool(behind)
        with pytest.raises(InvalidInput, match="'TCPRoute' is no route"):
            GatewayRouter(client, "web", kind="TCPRoute")  # type: ignore[arg-type]  # that is the point


async def test_a_route_of_somebody_else_is_refused(api_server: Reached, own: str) -> None:
    """Before anything is written: neither its Services nor it."""
    spec = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [{"name": "theirs", "port": 80}]}]}
    theirs = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "theirs-production"},
        "spec": spec,
    }
    api_server.kubectl("-n", own, "apply", "-f", "-", given=json.dumps(theirs))
    async with connected(own, kubeconfig=str(api_server.kubeconfig)) as client:
        with pytest.raises(Refused, match=r"HTTPRoute 'theirs-production' .* is owned by somebody else"):
            await router("http", client).check(Target("theirs", replicas=1))

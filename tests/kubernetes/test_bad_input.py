"""Bad input, asked of a real API server: one clear error each, and nothing has moved."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy import Delegated, Deployer, DeploymentValidator, Release, Rolling, Target
from fairdeploy.backends.kubernetes import KubernetesBackend, PodSettings
from fairdeploy.errors import BackendError, InvalidInput, Refused, StartError
from fairdeploy.model import Aspect, Delegate
from fairdeploy.protocols import Fence
from fairdeploy.routing.kubernetes import ServiceRouter
from fairdeploy.routing.kubernetes.client import connected
from tests.cluster import Reached, namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes, pytest.mark.timeout(300)]
SHOP = Target("shop", replicas=2)
SERVED = Target("shop", replicas=2, endpoint="127.0.0.1:8080")
ONE = Release("1", image="app:1")
FENCE = Fence(epoch=1, key="one")


@pytest.fixture(scope="module")
def own(api_server: Reached) -> Iterator[str]:
    """Give a namespace that these tests share: each has names of its own."""
    with namespace(api_server) as name:
        yield name


def apply(reached: Reached, own: str, *objects: dict[str, object]) -> None:
    """Write objects as somebody else."""
    reached.kubectl(
        "-n",
        own,
        "apply",
        "-f",
        "-",
        given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    )


def workload(name: str, kind: str = "Deployment", **spec: object) -> dict[str, object]:
    """Return a workload of somebody's."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    whole = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}


def service(name: str, selector: dict[str, str], **meta: object) -> dict[str, object]:
    """Return a Service of somebody's."""
    spec = {"selector": selector, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, **meta}, "spec": spec}


@asynccontextmanager
async def opened(reached: Reached, own: str, query: str = "") -> AsyncIterator[KubernetesBackend]:
    """Open the namespace."""
    async with KubernetesBackend.open(
        f"kubernetes:///{own}{query}", kubeconfig=str(reached.kubeconfig), settings=PodSettings()
    ) as backend:
        yield backend


async def test_no_cluster(tmp_path: Path) -> None:
    """The kubeconfig is not there: said with what shows which there are."""
    with pytest.raises(BackendError, match=r"no cluster.*kubectl config get-contexts"):
        async with KubernetesBackend.open(kubeconfig=str(tmp_path / "nothing")):
            pass


async def test_credentials_that_are_not_known(api_server: Reached, own: str, tmp_path: Path) -> None:
    """Expired, say: log in again."""
    config = json.loads(api_server.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "expired"
    path = tmp_path / "expired.kubeconfig"
    path.write_text(json.dumps(config))
    async with opened(api_server, own) as mine:
        journal = mine.journal
        async with KubernetesBackend.open(
            f"kubernetes:///{own}", kubeconfig=str(path), journal=journal
        ) as backend:
            with pytest.raises(Refused, match=r"does not know these credentials \(expired\?\): log in again"):
                await backend.observe(SHOP)


async def test_a_forbidden_verb_is_named_with_what_to_grant(api_server: Reached, own: str) -> None:
    """The API server's words name verb and object; ours the Role."""
    if api_server.cluster is None:
        pytest.skip("another cluster has no second user of ours")
    config = str(api_server.cluster.kubeconfig("deployer", own))
    async with (
        opened(api_server, own) as mine,
        KubernetesBackend.open(f"kubernetes:///{own}", kubeconfig=config, journal=mine.journal) as backend,
    ):
        with pytest.raises(Refused, match=r"cannot get resource \"configmaps\".*required_permissions"):
            await backend.observe(SHOP)


async def test_no_gateway_api(api_server: Reached, own: str) -> None:
    """Its CRDs are not installed: said when the plan is made."""
    if "gateway.networking.k8s.io" in api_server.kubectl("api-versions"):
        pytest.skip("the Gateway API is there already")
    async with opened(api_server, own, "?gateway=web") as backend:
        with pytest.raises(Refused, match="has no Gateway API: install its CRDs"):
            await Deployer(backend).plan(SERVED, ONE, Rolling(analysis=()))


@pytest.mark.parametrize(
    ("marks", "owner", "rule"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "x:/Service:a/b"}},
            "Argo CD",
            "ignoreDifferences",
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux", "ssa: IfNotPresent"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm", "chart's template"),
    ],
    ids=["argo", "flux", "helm"],
)
async def test_a_service_that_git_or_helm_keeps(
    marks: dict[str, object], owner: str, rule: str, *, api_server: Reached, own: str
) -> None:
    """Driving it is refused, with the rule by which its keeper leaves it alone; then it is taken."""
    name = owner.lower().replace(" ", "")
    apply(api_server, own, service(name, {"app": name}, **marks))
    async with connected(own, kubeconfig=str(api_server.kubeconfig)) as client:
        with pytest.raises(Refused, match=rf"kept by {owner}.*{rule}"):
            await ServiceRouter(client, name).check(SERVED)
        await ServiceRouter(client, name, ignored=True).check(SERVED)


async def test_a_service_that_selects_others(api_server: Reached, own: str) -> None:
    """Such as both colours of somebody's: it is not taken over."""
    pods: list[dict[str, object]] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"both-{colour}", "labels": {"app": "both", "environment": colour}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        }
        for colour in ("blue", "green")
    ]
    apply(api_server, own, service("both", {"app": "both"}), *pods)
    async with connected(own, kubeconfig=str(api_server.kubeconfig)) as client:
        with pytest.raises(Refused, match="'both' selects 2 pods that are not of 'shop/production'"):
            await ServiceRouter(client, "both").check(SERVED)


async def test_what_the_platform_cannot_roll(api_server: Reached, own: str) -> None:
    """A StatefulSet, a paused Deployment, and a number that an autoscaler decides."""
    apply(
        api_server,
        own,
        workload("database", "StatefulSet", serviceName="database"),
        workload("paused", paused=True),
        workload("scaled"),
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "more"},
            "spec": {
                "maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"},
            },
        },
    )
    for name, why in (
        ("database", "is a StatefulSet: its pods have identities"),
        ("paused", "kubectl rollout resume deployment/paused"),
        ("scaled", r"decided by HorizontalPodAutoscaler 'more': give Target\(replicas=None\)"),
    ):
        async with opened(api_server, own, f"?deployment={name}") as backend:
            with pytest.raises(Refused, match=why):
                await Deployer(backend).plan(SHOP, ONE, Delegated(analysis=()))
    async with opened(api_server, own, "?deployment=scaled") as backend:
        await backend.check(Target("shop", replicas=None), ONE)


@pytest.mark.parametrize(
    ("budget", "room"),
    [({"minAvailable": 2}, 0), ({"maxUnavailable": 1}, 1), ({"minAvailable": "50%"}, 1)],
)
async def test_a_budget_is_kept_to(
    budget: dict[str, object], room: int, *, api_server: Reached, own: str
) -> None:
    """The platform would not ask it in a rolling update; a way back is not held up by it."""
    name = "-".join(["kept", *map(str, budget.values())]).replace("%", "p")
    chosen = {"selector": {"matchLabels": {"app": name}}, **budget}
    meta = {"name": name}
    apply(
        api_server,
        own,
        workload(name),
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": chosen},
    )
    target = Target("kept", environment=name, replicas=2)
    step = Delegate("one", target=target.id, revision=ONE.revision, replicas=2, max_unavailable=room + 1)
    async with opened(api_server, own, f"?deployment={name}") as backend:
        with pytest.raises(Refused, match=rf"'{name}' allows \({room} of 2 pods\).*max_unavailable={room}"):
            await backend.delegate(target, step, ONE, FENCE)
        found = api_server.kubectl("-n", own, "get", "deployment", name, "-o", "jsonpath={.metadata.labels}")
        assert found == ""


async def test_pods_that_a_quota_refuses(api_server: Reached, own: str) -> None:
    """The platform notes it on the Deployment: said within a second, and not waited for."""
    target = Target("quota", replicas=1)
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: few, used: pods=2"}
    async with opened(api_server, own) as backend:
        await backend.ensure(target, ONE.revision, ONE, 1, FENCE)
        named = ("-n", own, "patch", "deployment", "quota-production-blue", "--subresource=status")
        api_server.kubectl(*named, "--type=merge", "-p", json.dumps({"status": {"conditions": [failure]}}))
        with pytest.raises(StartError, match="pods of 'quota-production-blue' are refused: exceeded quota"):
            await backend.ensure(target, ONE.revision, ONE, 1, FENCE)


async def test_how_pods_leave_is_looked_at(api_server: Reached, own: str) -> None:
    """Without a preStop a patch is offered; with it there is nothing to say."""
    apply(api_server, own, workload("leaving"))
    async with opened(api_server, own, "?deployment=leaving") as backend:
        validator = DeploymentValidator(backend, SHOP, ONE)
        result = await validator.validate_deployment(only={Aspect.CONFIGURATION})
        (found,) = (each for each in result.results if each.name == "kubernetes preStop")
        assert not found.passed
        patch = found.remedy.partition("--patch ")[2].strip("'")
        api_server.kubectl("-n", own, "patch", "deployment", "leaving", "--patch", patch)
        result = await validator.validate_deployment(only={Aspect.CONFIGURATION})
        (found,) = (each for each in result.results if each.name == "kubernetes preStop")
        assert found.passed, found


async def test_what_the_api_server_will_not_have(api_server: Reached, own: str) -> None:
    """A volume that is not there: its words, when it is planned already, and nothing is left that could start."""
    template = {
        "spec": {"containers": [{"name": "app", "volumeMounts": [{"name": "no", "mountPath": "/x"}]}]}
    }
    async with KubernetesBackend.open(
        f"kubernetes:///{own}",
        kubeconfig=str(api_server.kubeconfig),
        settings=PodSettings(template=template),
    ) as backend:
        with pytest.raises(StartError, match=r"volumeMounts.*Not found"):
            await Deployer(backend).plan(SHOP, ONE, Rolling(analysis=()))
        with pytest.raises(StartError, match=r"volumeMounts.*Not found"):
            await backend.ensure(SHOP, ONE.revision, ONE, 1, FENCE)
        assert (await backend.observe(SHOP)).revisions == ()


async def test_a_uri_with_two_ways(api_server: Reached, own: str) -> None:
    """Traffic is moved by one of them."""
    with pytest.raises(InvalidInput, match="names deployment and service"):
        async with opened(api_server, own, "?deployment=a&service=b"):
            pass

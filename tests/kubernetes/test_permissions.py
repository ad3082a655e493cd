"""The Role that is printed is sufficient, and each verb and each name in it necessary: asked of a real API server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy import BlueGreen, Canary, Delegated, Release, Rolling, Target
from fairdeploy.backends.kubernetes import KubernetesBackend, Permissions, required_permissions
from fairdeploy.backends.kubernetes._validating import denied
from fairdeploy.errors import FairdeployError
from fairdeploy.model import Delegate, Member, Pool, Routes, Split
from fairdeploy.protocols import Fence
from fairdeploy.routing.kubernetes import names
from tests.cluster import Reached, namespace
from tests.kubernetes.test_routes import teach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.protocols import Strategy

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes, pytest.mark.timeout(300)]
CASES: dict[str, tuple[Strategy, dict[str, str]]] = {
    "canary by a gateway": (Canary(analysis=()), {"gateway": "web"}),
    "canary by Istio": (Canary(analysis=()), {"istio": "web"}),
    "blue-green by a service": (BlueGreen(analysis=(), preview_header=None), {"service": "shop"}),
    "rolling without a router": (Rolling(analysis=()), {}),
    "delegated": (Delegated(analysis=()), {"deployment": "shop"}),
}
TARGET = Target("shop", endpoint="127.0.0.1:8080", replicas=2)
FENCE = Fence(epoch=1, key="one")
LATER = Fence(epoch=2, key="two")


@pytest.fixture(scope="module", autouse=True)
def gateway_api(api_server: Reached) -> None:
    """Let the API server know what divides traffic; nobody carries it out."""
    teach(api_server)


def needed(strategy: Strategy, router: dict[str, str]) -> Permissions:
    """Return what a case needs."""
    return required_permissions(strategy, TARGET, **router)  # type: ignore[arg-type]  # each a name


def release(number: int) -> Release:
    """Return one of several."""
    return Release(f"v{number}", image="app:1")


def pod(revision: str) -> str:
    """Return a pod as the platform would have made it."""
    labels = {names.TARGET: names.label(TARGET), names.REVISION: revision, names.SERVING: "true"}
    meta = {"name": f"{revision}-a", "labels": labels, "annotations": {names.KEY: FENCE.key}}
    spec = {"containers": [{"name": "app", "image": "app:1"}]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})


async def walk(reached: Reached, own: str, router: dict[str, str], *, singly: bool) -> None:
    """Do with a target all that a rollout and its way back do, as the deployer."""
    assert reached.cluster is not None
    config = str(reached.cluster.kubeconfig("deployer", own))
    query = "".join(f"?{key}={value}" for key, value in router.items())
    async with KubernetesBackend.open(f"kubernetes:///{own}{query}", kubeconfig=config) as backend:
        await backend.journal.rollouts()
        await backend.check(TARGET, release(0))
        if "deployment" in router:
            await hand_over(backend, reached, own)
            return
        for number in range(4):
            await backend.ensure(TARGET, release(number).revision, release(number), 1, FENCE)
        first = release(0).revision
        await anyio.to_thread.run_sync(
            lambda: reached.kubectl("-n", own, "apply", "-f", "-", given=pod(first))
        )
        await backend.observe(TARGET)
        await backend.tail(TARGET, first, 5)
        await backend.quiesce(TARGET, frozenset({f"{first}-a"}), FENCE)
        if singly:
            for _ in range(2):
                drained = frozenset({f"{first}-a"})
                await backend.ensure(TARGET, first, release(0), 1, FENCE, drained=drained)
        if backend.router is not None:
            known = [release(number).revision for number in range(4)]
            pools = tuple(Pool(each, (Member(f"{each}-a", "192.0.2.1:8000"),)) for each in known)
            if "service" in router:
                pools = pools[:1]
            await backend.router.apply(TARGET, Routes(pools, split=Split.all_to(first)), FENCE)
            await backend.router.apply(TARGET, Routes(pools, split=None), LATER)
            for _ in range(2):  # a watch is for who looks again
                await backend.router.observe(TARGET)
            await backend.router.remove(TARGET, LATER)
        await backend.promote(TARGET, first, LATER)
        for number in (1, 2, 3):
            await backend.remove(TARGET, release(number).revision, Fence(epoch=2, key="three"))
        await backend.promote(TARGET, first, Fence(epoch=2, key="four"))
    # The last one goes too, as after a first deploy that failed: nothing is stable there.


def replica(reached: Reached, own: str, revision: str) -> str:
    """Return a pod of a Deployment's, and what is between them, as the platform would have made them."""
    labels = {names.TARGET: names.label(TARGET), names.REVISION: revision}
    uid = reached.kubectl("-n", own, "get", "deployment", "shop", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": uid}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    }
    meta = {"name": "shop-1", "labels": labels, "ownerReferences": [owner]}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec}
    reached.kubectl("-n", own, "apply", "-f", "-", given=json.dumps(made))
    uid = reached.kubectl("-n", own, "get", "replicaset", "shop-1", "-o", "jsonpath={.metadata.uid}")
    found: dict[str, dict[str, object]] = json.loads(pod(revision))
    found["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop-1", "uid": uid}
    ]
    return json.dumps(found)


async def hand_over(backend: KubernetesBackend, reached: Reached, own: str) -> None:
    """Do all that a delegated rollout does, of a Deployment that is not there yet, and take it away again."""
    first, second = release(0).revision, release(1).revision
    step = Delegate("one", target=TARGET.id, revision=first, replicas=2)
    for _ in range(2):
        await backend.delegate(TARGET, step, release(0), FENCE)
    await backend.observe(TARGET)
    given = await anyio.to_thread.run_sync(lambda: replica(reached, own, first))
    await anyio.to_thread.run_sync(lambda: reached.kubectl("-n", own, "apply", "-f", "-", given=given))
    await backend.tail(TARGET, first, 5)
    await backend.remove(TARGET, first, FENCE)
    await backend.delegate(TARGET, replace(step, revision=second), release(1), LATER)
    await backend.promote(TARGET, second, LATER)


def grant(reached: Reached, own: str, permissions: Permissions) -> None:
    """Give the deployer exactly this in a namespace."""
    subject = {"kind": "User", "name": "deployer", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "deployer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": permissions.name},
        "subjects": [subject],
    }
    items = {"apiVersion": "v1", "kind": "List", "items": [permissions.role(), binding]}
    reached.kubectl("-n", own, "apply", "-f", "-", given=json.dumps(items))


def reduced(permissions: Permissions) -> Iterator[tuple[str, Permissions]]:
    """Give the permissions without each verb of each rule, and without each name, in turn."""
    for place, rule in enumerate(permissions.rules):
        before, after = permissions.rules[:place], permissions.rules[place + 1 :]
        for verb in rule.verbs:
            left = tuple(each for each in rule.verbs if each != verb)
            kept = (replace(rule, verbs=left),) if left else ()
            yield f"{verb} {rule.resource}", replace(permissions, rules=(*before, *kept, *after))
        for name in rule.names if len(rule.names) > 1 else ():
            kept = (replace(rule, names=tuple(each for each in rule.names if each != name)),)
            yield f"{rule.resource} {name}", replace(permissions, rules=(*before, *kept, *after))


async def walked(reached: Reached, permissions: Permissions, router: dict[str, str], *, singly: bool) -> str:
    """Walk with exactly these permissions, in a namespace of its own; return what was refused."""
    with namespace(reached) as own:
        grant(reached, own, permissions)
        try:
            await walk(reached, own, router, singly=singly)
        except FairdeployError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("case", CASES)
async def test_the_role_is_sufficient(api_server: Reached, case: str) -> None:
    """With exactly the printed Role all that a strategy does is allowed."""
    if api_server.cluster is None:
        pytest.skip("another cluster has no second user of ours")
    strategy, router = CASES[case]
    permissions = needed(strategy, router)
    said = await walked(api_server, permissions, router, singly=case.startswith("rolling"))
    assert said == ""


@pytest.mark.nightly
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("case", CASES)
async def test_each_verb_and_name_is_necessary(api_server: Reached, case: str) -> None:
    """Without any one of them something is refused."""
    if api_server.cluster is None:
        pytest.skip("another cluster has no second user of ours")
    strategy, router = CASES[case]
    permissions = needed(strategy, router)
    idle = [
        what
        for what, less in reduced(permissions)
        if not await walked(api_server, less, router, singly=case.startswith("rolling"))
    ]
    assert idle == []


async def test_what_is_lacking_is_found_before_the_start(api_server: Reached) -> None:
    """SelfSubjectAccessReviews name the verb and the object."""
    if api_server.cluster is None:
        pytest.skip("another cluster has no second user of ours")
    permissions = required_permissions(Canary(analysis=()), TARGET, gateway="web")
    less = replace(
        permissions, rules=tuple(each for each in permissions.rules if each.resource != "pods/log")
    )
    with namespace(api_server) as own:
        grant(api_server, own, less)
        config = str(api_server.cluster.kubeconfig("deployer", own))
        async with KubernetesBackend.open(f"kubernetes:///{own}", kubeconfig=config) as backend:
            assert await denied(backend.client, permissions) == ("get pods/log",)


def test_no_role_reaches_secrets_or_the_whole_cluster() -> None:
    """Unless values are to be copied."""
    for strategy, router in CASES.values():
        permissions = needed(strategy, router)
        assert "secrets" not in str(permissions)
        assert permissions.role()["kind"] == "Role"

"""The platform's own rolling update of a Deployment that was there before us: taken over, watched, taken back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fairdeploy import Delegated, Deployer, DeploymentError, HTTPProbe, Outcome, Probes, Release, Target
from fairdeploy.backends.kubernetes import KubernetesBackend
from tests.cluster import Reached, namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.kubernetes,
    pytest.mark.whole_cluster,
    pytest.mark.nightly,
    pytest.mark.timeout(300),
]
TARGET = Target("shop", replicas=3)
HOW = Delegated(max_surge=2, max_unavailable=1, analysis=(), ready_deadline=120)
PROBES = Probes(
    readiness=HTTPProbe("/health", interval_ms=1_000), liveness=HTTPProbe("/health", interval_ms=10_000)
)


def by_hand() -> str:
    """Return a Deployment as somebody else has written it."""
    labels = {"app": "shop"}
    container = {
        "name": "app",
        "image": "fairdeploy/app:1",
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": 8000}],
        "env": [{"name": "REVISION", "value": "by-hand"}, {"name": "DRAIN_MS", "value": "0"}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}
    return json.dumps(made)


@pytest.fixture
def own(whole_cluster: Reached) -> Iterator[str]:
    """Give a namespace in which somebody's Deployment runs."""
    with namespace(whole_cluster) as name:
        whole_cluster.kubectl("-n", name, "apply", "-f", "-", given=by_hand())
        whole_cluster.kubectl("-n", name, "rollout", "status", "deployment/shop", "--timeout=80s")
        yield name


def opened(reached: Reached, own: str) -> AbstractAsyncContextManager[KubernetesBackend]:
    """Open the namespace; the platform rolls."""
    return KubernetesBackend.open(f"kubernetes:///{own}?deployment=shop", kubeconfig=str(reached.kubeconfig))


def pods(reached: Reached, own: str) -> set[str]:
    """Name the pods."""
    return set(reached.kubectl("-n", own, "get", "pods", "-l", "app=shop", "-o", "name").split())


def release(version: str, **changes: object) -> Release:
    """Return one that is not like what runs there."""
    given = {
        "image": "fairdeploy/app:1",
        "env": {"REVISION": version, "DRAIN_MS": "0"},
        "probes": PROBES,
        "stop_grace_ms": 2_000,
    }
    return Release(version, **{**given, **changes})  # type: ignore[arg-type]  # as they are named


async def test_it_is_taken_over_rolled_and_rolled_back(
    whole_cluster: Reached, own: str, record_property: Callable[[str, object], None]
) -> None:
    """What runs is stable from the first look on, without a restart; the way back is to exactly its template."""
    before = pods(whole_cluster, own)
    async with opened(whole_cluster, own) as backend:
        adopted = await backend.observe(TARGET)
        assert adopted.stable is not None
        assert adopted.stable.startswith("adopted-")
        assert len(adopted.revisions[0].ready) == 3
        assert pods(whole_cluster, own) == before

        deployer = Deployer(backend, validate=False)
        calls = backend.client.calls.copy()
        result = await deployer.deploy(TARGET, release("v1"), HOW)
        record_property("proof", f"{result}; {(backend.client.calls - calls).total()} calls")
        seen = await backend.observe(TARGET)
        assert result.outcome is Outcome.PROMOTED
        assert seen.stable == release("v1").revision
        assert [(each.id, len(each.ready)) for each in seen.revisions if each.replicas] == [
            (release("v1").revision, 3)
        ]
        await deployer.deploy(TARGET, release("v2"), HOW)
        back = await deployer.rollback(TARGET)
        assert back.promoted
        assert (await backend.observe(TARGET)).stable == release("v1").revision


@pytest.mark.parametrize(
    ("bad", "why", "word"),
    [
        (release("no-image", image="nowhere.invalid/shop:2"), "Image", ""),
        (
            release("crashes", command=["sh", "-c", "echo goodbye; exit 3"]),
            "exit status 3",
            "goodbye",
        ),
    ],
    ids=["no image", "crashes"],
)
async def test_what_cannot_run_is_found_in_seconds_and_taken_back(
    bad: Release, why: str, word: str, *, whole_cluster: Reached, own: str
) -> None:
    """With the kubelet's reason, and the container's last words; what was taken over stays as it was written."""
    before = pods(whole_cluster, own)
    template = whole_cluster.kubectl("-n", own, "get", "deploy", "shop", "-o", "jsonpath={.spec.template}")
    async with opened(whole_cluster, own) as backend:
        with pytest.raises(DeploymentError) as caught:
            await Deployer(backend, validate=False).deploy(TARGET, bad, HOW)
        seen = await backend.observe(TARGET)
    result = caught.value.result
    assert result is not None
    assert result.outcome is Outcome.ROLLED_BACK
    assert why in result.reason
    assert word in "".join(result.evidence)
    assert [len(each.ready) for each in seen.revisions if each.id == seen.stable] == [3]
    assert len(pods(whole_cluster, own) & before) >= 2
    after = whole_cluster.kubectl("-n", own, "get", "deploy", "shop", "-o", "jsonpath={.spec.template}")
    assert json.loads(after) == json.loads(template)

"""A Deployment that was there before us is taken over as it is written: asked of an API server alone."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import pytest

from fairdeploy import Release, Target
from fairdeploy.model import Delegate
from fairdeploy.protocols import Fence
from tests.cluster import Reached, namespace
from tests.kubernetes.test_bad_input import apply, opened, workload

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes, pytest.mark.timeout(300)]
SHOP = Target("shop", replicas=2)
ONE = Release("1", image="app:1", env={"COLOUR": "red"})
T = TypeVar("T")
HASH = "pod-template-hash"


def as_the_controller(reached: Reached, own: str) -> None:
    """Do what the platform's controller does: a ReplicaSet of the present template, and that it was looked at."""
    found = json.loads(reached.kubectl("-n", own, "get", "deployment", "shop", "-o", "json"))
    meta, template = found["metadata"], found["spec"]["template"]
    number = "deployment.kubernetes.io/revision"
    template["metadata"]["labels"][HASH] = f"hash{meta['generation']}"
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": meta["uid"]}
    made = workload(f"shop-{meta['generation']}", "ReplicaSet", template=template)
    made["metadata"] = {
        "name": f"shop-{meta['generation']}",
        "labels": template["metadata"]["labels"],
        "annotations": {number: str(meta["generation"])},
        "ownerReferences": [owner],
    }
    made["spec"] = {**found["spec"], "template": template}
    for key in ("strategy", "progressDeadlineSeconds", "revisionHistoryLimit"):
        made["spec"].pop(key, None)  # type: ignore[attr-defined]  # a mapping
    apply(reached, own, made)
    reached.kubectl(
        "-n", own, "annotate", "deployment", "shop", "--overwrite", f"{number}={meta['generation']}"
    )
    seen = reached.kubectl("-n", own, "get", "deployment", "shop", "-o", "jsonpath={.metadata.generation}")
    status = {"status": {"observedGeneration": int(seen)}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    reached.kubectl("-n", own, "patch", "deployment", "shop", *patch)


async def eventually(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Ask until it is so: what others write is told of by a watch, a moment later."""
    found = await ask()
    with anyio.move_on_after(60):
        while not good(found):
            await anyio.sleep(0.05)
            found = await ask()
    assert good(found), f"still {found!r}"
    return found


async def test_it_is_stable_as_it_runs_and_the_way_back_is_to_the_letter(api_server: Reached) -> None:
    """A release is put into its template; going back, nothing of the release is left in it."""
    ask = ("get", "deployment", "shop", "-o", "jsonpath={.spec.template}")
    with namespace(api_server) as own:
        apply(api_server, own, workload("shop"))
        as_the_controller(api_server, own)
        written = json.loads(api_server.kubectl("-n", own, *ask))
        async with opened(api_server, own, "?deployment=shop") as backend:
            before = await backend.observe(SHOP)
            assert before.stable == "adopted-hash1"
            assert json.loads(api_server.kubectl("-n", own, *ask)) == written

            step = Delegate("go", target=SHOP.id, revision=ONE.revision, replicas=2)
            assert (await backend.delegate(SHOP, step, ONE, Fence(epoch=1, key="go"))).phase == "running"
            as_the_controller(api_server, own)
            there = await eventually(
                lambda: backend.observe(SHOP), lambda seen: seen.revision(ONE.revision) is not None
            )
            assert there.stable == before.stable

            back = Delegate("back", target=SHOP.id, revision="adopted-hash1")
            await backend.delegate(SHOP, back, None, Fence(epoch=1, key="back"))
            assert json.loads(api_server.kubectl("-n", own, *ask)) == written

            api_server.kubectl("-n", own, "set", "image", "deployment/shop", "app=app:9")
            as_the_controller(api_server, own)
            key = Fence(epoch=1, key="back")
            found = await eventually(
                lambda: backend.delegate(SHOP, back, None, key), lambda seen: seen.phase != "running"
            )
            assert found.phase == "failed"
            assert "somebody else has rolled out" in found.message
            assert "kubectl-set" in found.message

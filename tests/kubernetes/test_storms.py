"""An API server that is in the way: many writers at once, throttled, restarted; asked of a real one."""

from __future__ import annotations

import itertools
import json
from contextlib import nullcontext
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from aiohttp import web

from fairdeploy import Release, Target
from fairdeploy.backends.kubernetes import KubernetesBackend
from fairdeploy.errors import BackendError
from fairdeploy.protocols import Fence
from fairdeploy.routing.kubernetes.client import Answered, connected
from tests.cluster import Reached, namespace
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.kubernetes.cluster import Cluster

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes, pytest.mark.timeout(300)]
TARGET = Target("shop", replicas=2)
FENCE = Fence(epoch=1, key="one")


@pytest.fixture(scope="module")
def own(api_server: Reached) -> Iterator[str]:
    """Give a namespace."""
    with namespace(api_server) as name:
        yield name


@pytest.fixture
def cluster(api_server: Reached) -> Cluster:
    """Give a cluster that may be disturbed."""
    if api_server.cluster is None:
        pytest.skip("another cluster is not ours to disturb")
    return api_server.cluster


async def test_many_writers_at_once(api_server: Reached, own: str) -> None:
    """Each write that comes too late is refused by the API server, and tried again: all of them arrive."""
    releases = [Release(f"v{number}", image="app:1") for number in range(4)]
    async with KubernetesBackend.open(
        f"kubernetes:///{own}", kubeconfig=str(api_server.kubeconfig)
    ) as backend:
        async with anyio.create_task_group() as tasks:
            for each in releases * 2:
                tasks.start_soon(backend.ensure, TARGET, each.revision, each, 2, FENCE)
        seen = await backend.observe(TARGET)
    assert {each.id: each.replicas for each in seen.revisions} == {each.revision: 2 for each in releases}


async def test_pods_that_a_removal_left_behind_are_not_counted(api_server: Reached) -> None:
    """Of a revision that is removed and asked for again at once: their own Deployment is gone, the new one owes nothing."""
    one = Release("one", image="app:1")
    with namespace(api_server) as own:
        config = str(api_server.kubeconfig)
        async with KubernetesBackend.open(f"kubernetes:///{own}", kubeconfig=config) as backend:
            await backend.ensure(TARGET, one.revision, one, 1, FENCE)
            found = api_server.kubectl("-n", own, "get", "deployment", "shop-production-blue", "-o", "json")
            pod = {"apiVersion": "v1", "kind": "Pod", **json.loads(found)["spec"]["template"]}
            pod["metadata"]["name"] = "left"
            api_server.kubectl("-n", own, "create", "-f", "-", given=json.dumps(pod))
            await backend.remove(TARGET, one.revision, Fence(epoch=1, key="two"))
            await backend.ensure(TARGET, one.revision, one, 1, Fence(epoch=1, key="three"))
            named = ("get", "deployment", "shop-production-blue", "-o", "jsonpath={.spec.replicas}")
            assert api_server.kubectl("-n", own, *named) == "1"
            (left,) = (await backend.observe(TARGET)).revisions[0].instances
            assert left.quiescing


@pytest.mark.parametrize(("busy", "asked"), [(3, 3), (100, 6)])
async def test_whoever_is_throttled_asks_again(busy: int, asked: int, tmp_path: Path) -> None:
    """With 429, 503 and connections that break (aiohttp repeats a GET once by itself): with pauses that grow, five times."""
    answers = itertools.chain(itertools.islice(itertools.cycle((429, 503, 0)), busy), itertools.repeat(200))

    async def answer(request: web.Request) -> web.Response:
        status = next(answers)
        if not status and request.transport is not None:
            request.transport.close()
        return web.json_response({"message": "too many requests"}, status=status or 500)

    application = web.Application()
    application.router.add_get("/api/v1/namespaces/here/pods", answer)
    async with serving(web.AppRunner(application)) as port:
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig(port))
        async with connected("here", kubeconfig=str(path)) as client:
            with nullcontext() if busy < 6 else pytest.raises((Answered, BackendError)):
                await client.get("/api/v1/namespaces/here/pods")
            assert client.calls["get pods"] == asked


def kubeconfig(port: int) -> str:
    """Return how a server on this machine is reached."""
    there = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    users = [{"name": "me", "user": {}}]
    whole = {"clusters": [there], "contexts": [context], "users": users, "current-context": "here"}
    return json.dumps({"apiVersion": "v1", "kind": "Config", **whole})


@pytest.mark.nightly
async def test_it_is_restarted(api_server: Reached, own: str, cluster: Cluster) -> None:
    """Meanwhile the error says who does not answer, and that it may be tried again; afterwards all is as it was."""
    async with KubernetesBackend.open(
        f"kubernetes:///{own}", kubeconfig=str(api_server.kubeconfig)
    ) as backend:
        before = await backend.observe(TARGET)
        await anyio.to_thread.run_sync(cluster.stop_server)
        try:
            with pytest.raises(BackendError, match="does not answer") as caught:
                await backend.observe(TARGET)
            assert caught.value.retryable
        finally:
            await anyio.to_thread.run_sync(cluster.start_server)
        assert await backend.observe(TARGET) == before

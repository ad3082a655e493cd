"""Every strategy on a real cluster, behind a real gateway, under load; and a deployer that is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy import Deployer, Outcome
from fairdeploy.testing.load import (
    LoadProcess,
    LoadSettings,
    keep_alive,
    load_process,
    new_connection,
    post,
    slow,
)
from tests.cluster import Reached, namespace
from tests.killing import killed_at
from tests.kubernetes.stage import STRATEGIES, application, opened, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.kubernetes,
    pytest.mark.whole_cluster,
    pytest.mark.proof,
    pytest.mark.timeout(300),
]
MIX = (keep_alive(weight=50), new_connection(weight=20), post(weight=20), slow("/lingering", weight=1))


_CALLS = 100
"""Of the API server in one rollout; before there were watches, 1,030."""


@pytest.fixture
def own(whole_cluster: Reached) -> Iterator[str]:
    """Give a namespace of the test's own, without routes in the end."""
    with namespace(whole_cluster) as name:
        yield name
        whole_cluster.kubectl("-n", name, "delete", "httproutes", "--all")


def under_load(endpoint: str) -> AbstractAsyncContextManager[LoadProcess]:
    """Send requests from another process, never repeated."""
    settings = LoadSettings(max_requests=30_000, max_in_flight=500)
    return load_process(f"http://{endpoint}", mix=MIX, rate=150.0, settings=settings)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_no_request_is_lost(
    strategy: str,
    whole_cluster: Reached,
    gateway: str,
    own: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Two releases of an application that exits at once when told to stop: nothing is lost on the way."""
    config = str(whole_cluster.kubeconfig)
    async with opened(own, config) as backend:
        deployer = Deployer(backend, validate=False)
        await deployer.deploy(target(gateway), application("v0"), STRATEGIES[strategy])
        async with under_load(gateway) as load:
            before = backend.client.calls.copy()
            result = await deployer.deploy(target(gateway), application("v1"), STRATEGIES[strategy])
            calls = backend.client.calls - before
        report = load.report()
        record_property("proof", f"{strategy}: {result}\n{report}\n{calls.total()} calls: {dict(calls)}")
        seen = await backend.observe(target(gateway))
    assert result.outcome is Outcome.PROMOTED
    assert report.lost == 0, "\n".join(str(each) for each in report.lost_requests[:10])
    assert report.app_errors == 0
    assert calls.total() < _CALLS, calls
    assert report.requests > 500
    assert [each.id for each in seen.revisions] == [application("v1").revision]


@pytest.mark.parametrize(
    ("strategy", "place", "serving"),
    [
        ("canary", "shift-25 settled", "v0"),
        ("rolling", "drain-1 intended", "v0"),
        ("blue_green", "drain intended", "v1"),
    ],
)
async def test_the_next_program_recovers(
    strategy: str, place: str, serving: str, *, whole_cluster: Reached, gateway: str, own: str
) -> None:
    """After a SIGKILL and `recover`, the revision that the journal says serves alone, and no request was lost."""
    config = str(whole_cluster.kubeconfig)
    async with opened(own, config) as backend:
        deployer = Deployer(backend, validate=False)
        await deployer.deploy(target(gateway), application("v0"), STRATEGIES[strategy])
        async with under_load(gateway) as load:
            words = (own, config, gateway, "v1", strategy)
            await killed_at(place, "-m", "tests.kubernetes.stage", *words, within=120)
            results = await deployer.recover()
        seen = await backend.observe(target(gateway))
        routes = await backend.router.observe(target(gateway)) if backend.router else None
    report = load.report()
    assert len(results) == 1
    assert [each.id for each in seen.revisions] == [application(serving).revision]
    assert routes is not None
    assert routes.split is not None
    assert routes.split.share(application(serving).revision) == 10_000
    assert report.lost == 0, "\n".join(str(each) for each in report.lost_requests[:10])

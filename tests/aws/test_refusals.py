"""What AWS, or a service there, cannot be used for is said before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairdeploy.aws import AWS
from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.errors import BackendError, InvalidInput, Refused, StartError
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Release, SecretRef, Target
from fairdeploy.protocols import Fence
from tests.aws.worlds import REGION, worker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.aws, pytest.mark.anyio]

SHOP = Target("shop")


async def opened(place: Place) -> None:
    """Open a backend and leave it."""
    async with ECSBackend.open(place, journal=MemoryJournal()):
        pass


async def test_no_credentials(ecs_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says what was to be done and where credentials come from; trying again would not help."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(BackendError, match="no AWS credentials for ecs:DescribeServices") as refused:
        await opened(Place(REGION, cluster="c", service="s", endpoint=ecs_url))
    assert not refused.value.retryable


async def test_a_region_that_is_none() -> None:
    """The nearest is named."""
    with pytest.raises(InvalidInput, match="'eu-central-1'"):
        await opened(Place("eu-centrall-1", cluster="c", service="s"))


async def test_a_service_that_is_not_there(ecs_url: str) -> None:
    """Neither a cluster nor a service is guessed."""
    place = await worker(ecs_url)
    with pytest.raises(BackendError, match="no active service 'other'"):
        await opened(Place(REGION, cluster=place.cluster, service="other", endpoint=ecs_url))
    with pytest.raises(BackendError, match="no cluster 'nowhere'"):
        await opened(Place(REGION, cluster="nowhere", service="shop", endpoint=ecs_url))


async def test_a_service_of_another_controller(ecs_url: str) -> None:
    """Two controllers on one service undo each other."""
    place = await worker(ecs_url)
    async with AWS.open(REGION, endpoint=ecs_url) as aws:
        await aws.call(
            "ecs",
            "create_service",
            cluster=place.cluster,
            serviceName="theirs",
            taskDefinition=place.cluster,
            deploymentController={"type": "CODE_DEPLOY"},
        )
    with pytest.raises(Refused, match="CODE_DEPLOY"):
        await opened(Place(REGION, cluster=place.cluster, service="theirs", endpoint=ecs_url))


async def test_what_runs_must_be_adopted_first(ecs_url: str) -> None:
    """Else a first deployment would take its traffic; adopted, it is stable, and stays as a pattern when it goes."""
    place = await worker(ecs_url, desired=1)
    release = Release("2", command=["b"])
    async with ECSBackend.open(place, journal=MemoryJournal(), poll=0.0) as backend:
        with pytest.raises(Refused, match=r"adopt\(target\)"):
            await backend.check(SHOP, release)
        revision = await backend.adopt(SHOP)
        assert (await backend.observe(SHOP)).stable == revision
        await backend.check(SHOP, release)
        fence = Fence(epoch=1, key="one")
        await backend.ensure(SHOP, release.revision, release, 1, fence)
        await backend.promote(SHOP, release.revision, fence)
        await backend.remove(SHOP, revision, fence)
        seen = await backend.observe(SHOP)
        assert [each.id for each in seen.revisions] == [release.revision]
    await opened(place)  # the adopted service is still there


@pytest.mark.parametrize(
    ("release", "words"),
    [
        (Release("1", command=["a"], config={"app.ini": ""}), "config files"),
        (Release("1", command=["a"], env={"KEY": SecretRef.env("KEY")}), "could read them"),
        (Release("1", command=["a"], stop_signal="SIGINT"), "STOPSIGNAL"),
        (Release("1", command=["a"], stop_grace_ms=300_000), "Fargate waits no longer"),
    ],
)
async def test_a_release_that_no_task_can_hold(ecs_url: str, release: Release, words: str) -> None:
    """It is refused when the plan is made, and again if it is ensured all the same."""
    async with ECSBackend.open(await worker(ecs_url), journal=MemoryJournal()) as backend:
        with pytest.raises(StartError, match=words):
            await backend.check(SHOP, release)
        with pytest.raises(StartError, match=words):
            await backend.ensure(SHOP, release.revision, release, 1, Fence(epoch=1, key="one"))


@pytest.mark.parametrize(
    "uri", ["ecs://eu-central-1/c", "ecs://nowhere/c/s", "ecs://eu-central-1/c/s?x=1", "local:///a"]
)
async def test_what_is_no_uri(uri: str) -> None:
    """The message shows how one is written."""
    with pytest.raises(InvalidInput, match="eu-central-1"):
        Place.parse(uri)


async def test_a_uri_opens_the_same_place() -> None:
    """With all that is not default."""
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/green/1"
    place = Place("eu-central-1", cluster="c", service="s", spare=arn, scaling=False)
    assert Place.parse(place.uri) == place

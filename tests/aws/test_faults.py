"""What AWS and the way to it do at times: throttled, done but not said, answered as it was before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fairdeploy import Delegated, Deployer, Release, Target
from fairdeploy.aws import AWS
from fairdeploy.backends.ecs import ECSBackend
from fairdeploy.errors import BackendError
from fairdeploy.journal import MemoryJournal
from tests.aws.wire import wire
from tests.aws.worlds import REGION, worker

if TYPE_CHECKING:
    from tests.aws.wire import Fault

pytestmark = [pytest.mark.aws, pytest.mark.anyio]

SHOP = Target("shop", replicas=2)
NEW = Release("2", command=["sleep", "3600"], env={"VERSION": "2"})
ONCE: tuple[Fault, ...] = ("throttled", "lost", "stale")
FAULTS: dict[str, tuple[Fault, ...]] = {
    "ecs:RegisterTaskDefinition": ("throttled", "lost"),
    "ecs:UpdateService": ("throttled", "lost"),
    "ecs:TagResource": ("throttled", "lost"),
    "ecs:DescribeServices": ONCE * 2,
    "ecs:DescribeTasks": ONCE * 2,
    "ecs:ListTasks": ONCE,
}


async def test_a_rollout_outlives_them(ecs_url: str) -> None:
    """It ends as it would without: one definition in force, and as many tasks as are wanted."""
    place = replace(await worker(ecs_url, desired=2), delegated=True)
    how = Delegated(analysis=(), ready_deadline=240)
    async with wire(ecs_url) as between:
        seen = replace(place, endpoint=between.url)
        async with ECSBackend.open(seen, journal=MemoryJournal(), poll=0.0) as backend:
            await backend.adopt(SHOP)
            deployer = Deployer(backend, validate=False)
            plan = await deployer.plan(SHOP, NEW, how)
            between.faults = {name: list(faults) for name, faults in FAULTS.items()}
            async with deployer.run(plan) as rollout:
                result = await rollout.result()
            found = await backend.observe(SHOP)
        spent = sum(map(len, FAULTS.values())) - sum(map(len, between.faults.values()))
    assert result.promoted, str(result)
    assert spent >= 9
    assert [(each.id, len(each.ready)) for each in found.revisions] == [(NEW.revision, 2)]


async def test_what_is_throttled_for_good_is_said(ecs_url: str) -> None:
    """After five tries, with the pause after which another makes sense; the budget is not exceeded."""
    place = await worker(ecs_url)
    async with wire(ecs_url) as between, AWS.open(REGION, endpoint=between.url) as aws:
        between.faults["ecs:DescribeServices"] = ["throttled"] * 9
        with pytest.raises(BackendError, match="throttled by AWS") as told:
            await aws.call("ecs", "describe_services", cluster=place.cluster, services=["shop"])
        assert (told.value.retryable, told.value.retry_after) == (True, 2.0)
        assert between.calls["ecs:DescribeServices"] == 5


async def test_no_room_for_a_task_is_told(ecs_url: str) -> None:
    """ECS says it in an event only: the instance that is missing carries its words."""
    place = await worker(ecs_url, desired=1)
    words = (
        "(service shop) was unable to place a task because no container instance met all of its requirements."
    )
    async with (
        wire(ecs_url) as between,
        ECSBackend.open(replace(place, endpoint=between.url), journal=MemoryJournal(), poll=0.0) as backend,
    ):
        revision = await backend.adopt(SHOP)
        async with AWS.open(REGION, endpoint=ecs_url) as aws:
            answer = await aws.call(
                "ecs", "describe_services", cluster=place.cluster, services=["shop"], include=["TAGS"]
            )
        service = {
            name: value
            for name, value in answer["services"][0].items()
            if name not in {"createdAt", "deployments"}
        }
        events = [{"message": words, "createdAt": 1.0}]
        between.answers |= {
            "ecs:DescribeServices": lambda _: {
                "services": [{**service, "events": events}],
                "failures": [],
            },
            "ecs:ListTasks": lambda _: {"taskArns": []},
        }
        found = (await backend.observe(SHOP)).revision(revision)
    assert found is not None
    (missing,) = found.instances
    assert (missing.ready, missing.detail) == (False, words)

"""Weights, headers and members on a load balancer: over HTTP, against an emulator that stores what it is told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy.aws import AWS
from fairdeploy.errors import Refused, RouterError
from fairdeploy.model import HeaderRoute, HTTPProbe, Member, Pool, Routes, Split, Target
from fairdeploy.protocols import Fence
from fairdeploy.routing.alb import ALBRouter, discover, weights
from tests.aws.worlds import REGION, Balanced, balanced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.aws, pytest.mark.anyio]

FENCE = Fence(epoch=1, key="one")
SHOP = Target("shop", endpoint="shop.example:443", plaintext=True)
OLD = Pool("old", (Member("a", "10.0.0.1:8000"),), HTTPProbe("/health"))
NEW = Pool("new", (Member("b", "10.0.0.2:8000"),), HTTPProbe("/health"))


@asynccontextmanager
async def routers(url: str) -> AsyncIterator[tuple[AWS, Balanced, ALBRouter]]:
    """Give a router with a target group taken by each of two revisions, and their tasks registered."""
    world = await balanced(url, service=False)
    async with AWS.open(REGION, endpoint=url) as aws:
        router = ALBRouter(aws, await discover(aws, world.groups[0]), poll=0.0)
        for pool in (OLD, NEW):
            group = await router.take(pool.revision)
            host, _, port = pool.members[0].address.partition(":")
            await aws.call(
                "elbv2", "register_targets", TargetGroupArn=group, Targets=[{"Id": host, "Port": int(port)}]
            )
        yield aws, world, router


async def weights_of(aws: AWS, world: Balanced) -> list[int]:
    """Read what the listener says, blue first."""
    answer = await aws.call("elbv2", "describe_listeners", ListenerArns=[world.listener])
    groups = answer["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
    found = {each["TargetGroupArn"]: each["Weight"] for each in groups}
    return [found[group] for group in world.groups]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"old": 9_500, "new": 500}, {"old": 19, "new": 1}),
        ({"old": 10_000, "new": 0}, {"old": 1, "new": 0}),
        ({"old": 9_999, "new": 1}, {"old": 999, "new": 1}),
        ({"old": 6_667, "new": 3_333}, {"old": 666, "new": 333}),
    ],
)
def test_shares_become_weights(shares: dict[str, int], expected: dict[str, int]) -> None:
    """They are exact where 0 to 999 allow it; who has a share keeps one."""
    assert weights(shares) == expected


async def test_what_is_applied_is_read_back(moto_url: str) -> None:
    """Weights stand on the listener, and any other program reads the same document."""
    async with routers(moto_url) as (aws, world, router):
        routes = Routes((OLD, NEW), split=Split.between("old", "new", 500))
        await router.apply(SHOP, routes, FENCE)
        assert await weights_of(aws, world) == [19, 1]
        seen = await ALBRouter(aws, router.slots).observe(SHOP)
        assert (seen.written, seen.acknowledged) == (routes, True)
        assert seen.healthy == {"a", "b"}
        assert seen.in_flight is None


async def test_a_group_without_traffic_stays_attached(moto_url: str) -> None:
    """Weight 0 keeps its health checks running: a revision is seen healthy before it has traffic."""
    async with routers(moto_url) as (aws, world, router):
        await router.apply(SHOP, Routes((OLD, NEW), split=Split.all_to("old")), FENCE)
        assert await weights_of(aws, world) == [1, 0]


async def test_a_header_has_a_rule_of_its_own_while_it_is_wanted(moto_url: str) -> None:
    """It leads to the revision's target group; the next document without it takes it away."""
    async with routers(moto_url) as (aws, world, router):
        header = HeaderRoute("x-smoke", "1", "new")
        await router.apply(SHOP, Routes((OLD, NEW), split=Split.all_to("old"), headers=(header,)), FENCE)
        rules = (await aws.call("elbv2", "describe_rules", ListenerArn=world.listener))["Rules"]
        (rule,) = [each for each in rules if each["Conditions"]]
        assert rule["Actions"][0]["TargetGroupArn"] == (await router.groups())["new"]
        assert (await router.observe(SHOP)).acknowledged
        await router.apply(SHOP, Routes((OLD, NEW), split=Split.all_to("old")), FENCE)
        rules = (await aws.call("elbv2", "describe_rules", ListenerArn=world.listener))["Rules"]
        assert not [each for each in rules if each["Conditions"]]


async def test_a_change_by_somebody_else_is_said_once_and_then_undone(moto_url: str) -> None:
    """The first try says what was found; the next puts our routes in force."""
    async with routers(moto_url) as (aws, world, router):
        routes = Routes((OLD, NEW), split=Split.all_to("old"))
        await router.apply(SHOP, routes, FENCE)
        await aws.call(
            "elbv2",
            "modify_listener",
            ListenerArn=world.listener,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": world.groups[1]}],
        )
        assert not (await router.observe(SHOP)).acknowledged
        with pytest.raises(RouterError, match="changed by somebody else") as told:
            await router.apply(SHOP, routes, FENCE)
        assert told.value.retryable
        await router.apply(SHOP, routes, FENCE)
        assert await weights_of(aws, world) == [1, 0]


async def test_a_third_revision_has_no_place(moto_url: str) -> None:
    """It is told whose the target groups are; one that is given back can be taken once it is empty."""
    async with routers(moto_url) as (aws, _, router):
        with pytest.raises(RouterError, match="no target group is free"):
            await router.take("third")
        group = (await router.groups())["old"]
        await router.free("old")
        with pytest.raises(RouterError, match="drain"):
            await router.take("third")
        targets = [{"Id": "10.0.0.1", "Port": 8000}]
        await aws.call("elbv2", "deregister_targets", TargetGroupArn=group, Targets=targets)
        assert await router.take("third") == group


async def test_a_target_group_of_another_load_balancer_is_refused(moto_url: str) -> None:
    """Its health and its traffic are somebody else's."""
    world, other = await balanced(moto_url, service=False), await balanced(moto_url, service=False)
    async with AWS.open(REGION, endpoint=moto_url) as aws:
        with pytest.raises(Refused, match="attached elsewhere"):
            await discover(aws, world.groups[0], spare=other.groups[0])


async def test_a_group_that_nobody_forwards_to_is_refused(moto_url: str) -> None:
    """There would be nothing to weigh."""
    world = await balanced(moto_url, service=False)
    async with AWS.open(REGION, endpoint=moto_url) as aws:
        await aws.call("elbv2", "delete_listener", ListenerArn=world.listener)
        with pytest.raises(Refused, match="no listener or rule forwards"):
            await discover(aws, world.groups[0])


async def test_routes_are_forgotten_but_weights_stay(moto_url: str) -> None:
    """The listener is not ours: taking it away would end the service."""
    async with routers(moto_url) as (aws, world, router):
        await router.apply(SHOP, Routes((OLD,), split=Split.all_to("old")), FENCE)
        await router.remove(SHOP, FENCE)
        assert (await router.observe(SHOP)).written is None
        assert await weights_of(aws, world) == [1, 0]

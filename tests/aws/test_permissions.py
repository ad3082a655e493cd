"""The policies are sufficient, and each action in them that a rollout can show is necessary: on an emulator that refuses.

It looks at actions only: a policy that names an ARN is not matched there, so the same actions are tried on every
resource. What ARNs and conditions let through, only AWS itself can prove.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fairdeploy.aws import AWS
from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.errors import BackendError, InvalidInput
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Delegate, Release, Target
from fairdeploy.protocols import Fence
from fairdeploy.provision.permissions import Policy, deploying, provisioning
from tests.aws.emulators import ministack
from tests.aws.worlds import REGION, worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.aws

SHOP = Target("shop", replicas=2)
ROLE = "arn:aws:iam::000000000000:role/task"
of_shop = partial(
    deploying,
    account="000000000000",
    region=REGION,
    cluster="shop",
    service="shop",
    roles=[ROLE],
    scaling=False,
)
ROLLING, NATIVE = of_shop("rolling"), of_shop("native")
UNSEEN = frozenset(
    {
        "cloudwatch:DescribeAlarms",  # validations ask it, a rollout does not
        "ecr:DescribeImages",  # images in ECR only
        "iam:PassRole",  # AWS asks for it while it registers a definition with roles
        "logs:GetLogEvents",  # the last words of what failed
        "ecs:DescribeServiceDeployments",  # this emulator lists no service deployments
        "ecs:DescribeServiceRevisions",
        "ecs:StopServiceDeployment",
    }
)


@pytest.fixture(scope="module")
def guarded_url(emulated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give ministack that refuses what a policy does not allow."""
    with ministack(tmp_path_factory.mktemp("guarded"), docker=False, auth=True) as url:
        yield url


async def user(url: str, actions: frozenset[str]) -> dict[str, str]:
    """Make a user who may do these, and return how to be it."""
    name = f"u{secrets.token_hex(4)}"
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    async with AWS.open(REGION, endpoint=url) as aws:
        await aws.call("iam", "create_user", UserName=name)
        await aws.call("iam", "put_user_policy", UserName=name, PolicyName="may", PolicyDocument=document)
        key = (await aws.call("iam", "create_access_key", UserName=name))["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


async def rollout(place: Place) -> None:
    """Do what a rolling update does: a second revision up, the first one down and away."""
    old, new = Release("1", command=["a"]), Release("2", command=["b"])
    fence = Fence(epoch=1, key="one")
    async with ECSBackend.open(place, journal=MemoryJournal(), poll=0.0) as backend:
        await backend.check(SHOP, new)
        await backend.ensure(SHOP, old.revision, old, 2, fence)
        await backend.promote(SHOP, old.revision, fence)
        await backend.ensure(SHOP, new.revision, new, 2, fence)
        found = (await backend.observe(SHOP)).revision(old.revision)
        assert found is not None
        first = frozenset({found.instances[0].id})
        await backend.quiesce(SHOP, first, fence)
        await backend.ensure(SHOP, old.revision, old, 1, fence, drained=first)
        await backend.promote(SHOP, new.revision, fence)
        await backend.remove(SHOP, old.revision, fence)
        await backend.adopt(SHOP)
        await backend.remove(SHOP, (await backend.adopt(SHOP)), fence)


async def delegated(place: Place) -> None:
    """Do what a rollout by ECS itself does, there and back."""
    new, step = Release("2", command=["b"]), Delegate("d", target=SHOP.id, revision="", replicas=1)
    async with ECSBackend.open(replace(place, delegated=True), journal=MemoryJournal(), poll=0.0) as backend:
        await backend.check(SHOP, new)
        old = await backend.adopt(SHOP)
        there, back = (replace(step, revision=each) for each in (new.revision, old))
        await backend.delegate(SHOP, there, new, Fence(epoch=1, key="there"))
        await backend.observe(SHOP)
        await backend.delegate(SHOP, back, None, Fence(epoch=1, key="back"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("policy", "done"), [(ROLLING, rollout), (NATIVE, delegated)], ids=["rolling", "native"]
)
async def test_it_needs_each_action_and_no_other(
    policy: Policy,
    done: Callable[[Place], Awaitable[None]],
    guarded_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With all of them it ends; without any one of them it is refused, and the error names that one."""
    users = {"": await user(guarded_url, policy.actions)}
    for action in policy.actions - UNSEEN:
        users[action] = await user(guarded_url, policy.actions - {action})
    places = {action: await worker(guarded_url) for action in users}
    for action, who in users.items():
        for name, value in who.items():
            monkeypatch.setenv(name, value)
        if not action:
            await done(places[action])
            continue
        with pytest.raises(BackendError, match=f"may not {action}") as refused:
            await done(places[action])
        assert not refused.value.retryable


def test_a_strategy_asks_for_no_more_than_its_own() -> None:
    """Workers need nothing of a load balancer; native deployments make no services; only a canary reads metrics."""

    def of(strategy: str) -> frozenset[str]:
        return deploying(
            strategy,  # type: ignore[arg-type]  # each of them
            account="123456789012",
            region="eu-central-1",
            cluster="c",
            service="s",
            roles=[],
        ).actions

    assert not [each for each in of("rolling") if each.startswith("elasticloadbalancing")]
    assert "ecs:CreateService" not in of("native")
    assert of("canary") - of("blue_green") == {"cloudwatch:GetMetricData"}
    assert not [each for each in of("canary") if "*" in each]


def test_every_statement_that_can_name_a_resource_does() -> None:
    """What stands on every resource is a list, a look without resources, or bound by a condition."""
    policy = deploying(
        "canary", account="123456789012", region="eu-central-1", cluster="c", service="s", roles=["r"]
    )
    anywhere = {each.sid for each in policy.statements if each.resources == ("*",) and not each.conditions}
    assert anywhere == {"Definitions", "Alarms", "Balancer", "Metrics"}


def test_provisioning_makes_things_by_way_of_cloudformation_only() -> None:
    """Whoever holds the policy cannot make a database or a role by hand."""
    policy = provisioning(account="123456789012", region="eu-central-1", cluster="shop")
    for each in policy.statements:
        if each.sid in {"Parts", "Roles"}:
            assert (
                "ForAnyValue:StringEquals",
                "aws:CalledVia",
                "cloudformation.amazonaws.com",
            ) in each.conditions


@pytest.mark.parametrize("account", ["", "1234", "12345678901x"])
def test_an_account_that_is_none_is_refused(account: str) -> None:
    """An ARN with it would match nothing, and say so late."""
    with pytest.raises(InvalidInput, match="twelve"):
        provisioning(account=account, region="eu-central-1", cluster="shop")

"""A service that ECS itself rolls out: asked in its words, watched by its own id, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fairdeploy import BlueGreen, Canary, Delegated, Deployer, DeploymentError, Outcome, Release, Target
from fairdeploy.aws import AWS
from fairdeploy.backends.ecs import ECSBackend, Place
from fairdeploy.backends.ecs._configuration import configuration
from fairdeploy.errors import InvalidInput, Refused, UnsupportedCapability
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import BoundCheck, Capability, CheckResult, Delegate, Progressed, Verdict
from tests.aws.wire import wire
from tests.aws.worlds import REGION, worker

if TYPE_CHECKING:
    from typing import Any

    from tests.aws.wire import Wire


pytestmark = [pytest.mark.aws, pytest.mark.anyio]

SHOP = Target("shop", replicas=2)
HOW = Delegated(analysis=(), ready_deadline=240)
MINUTE = 60_000


def step(*shifts: tuple[int, int], **more: Any) -> Delegate:  # noqa: ANN401 -- what a step has
    """Return a step with these shares in basis points, and minutes of baking after each."""
    shares, bakes = tuple(share for share, _ in shifts), tuple(each * MINUTE for _, each in shifts)
    return Delegate("d", target="shop", revision="new", shares=shares, bakes_ms=bakes, **more)


WHOLE = {"maximumPercent": 200, "minimumHealthyPercent": 100}
BREAKER = {"strategy": "ROLLING", "deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (step(), {"maximumPercent": 134, "minimumHealthyPercent": 100, **BREAKER}),
        (
            step(max_surge=0, max_unavailable=1),
            {"maximumPercent": 100, "minimumHealthyPercent": 66, **BREAKER},
        ),
        (step((10_000, 5)), {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5, **WHOLE}),
        (
            step((1_000, 7), (10_000, 0)),
            {
                "strategy": "CANARY",
                "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 7},
                "bakeTimeInMinutes": 0,
                **WHOLE,
            },
        ),
        (
            step((2_500, 3), (5_000, 3), (7_500, 3), (10_000, 0)),
            {
                "strategy": "LINEAR",
                "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 3},
                "bakeTimeInMinutes": 0,
                **WHOLE,
            },
        ),
    ],
    ids=["rolling", "rolling-down-first", "blue-green", "canary", "linear"],
)
def test_a_step_has_ecs_own_words(asked: Delegate, expected: dict[str, Any]) -> None:
    """Bounds come out at the very number of tasks, of three; the service's alarms and hooks stay."""
    assert configuration(asked, 3, {}) == expected
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    hooks = [{"hookTargetArn": "arn:l", "roleArn": "arn:r", "lifecycleStages": ["POST_SCALE_UP"]}]
    kept = {"alarms": alarms} | ({"lifecycleHooks": hooks} if asked.shares else {})
    assert configuration(asked, 3, {"alarms": alarms, "lifecycleHooks": hooks}) == expected | kept


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (step((1_000, 1), (3_000, 1), (10_000, 0)), "no steps like"),
        (step((1_001, 1), (10_000, 0)), "tenths"),
        (step((10_000, 2_000)), "at most 1440"),
        (step(min_ready_ms=1_000), "min_ready"),
    ],
)
def test_what_ecs_has_no_words_for_is_refused(asked: Delegate, words: str) -> None:
    """It is not rounded: the plan is to be driven."""
    with pytest.raises(InvalidInput, match=words):
        configuration(asked, 3, {})


def release(version: str, **more: Any) -> Release:  # noqa: ANN401 -- what a release has
    """Return one that runs for an hour."""
    return Release(version, **{"command": ["sleep", "3600"], "env": {"VERSION": version}, **more})


async def primary(place: Place) -> dict[str, Any]:
    """Return the primary deployment, as ECS tells it."""
    async with AWS.open(REGION, endpoint=place.endpoint) as aws:
        answer = await aws.call("ecs", "describe_services", cluster=place.cluster, services=[place.service])
    found: dict[str, Any] = next(
        each for each in answer["services"][0]["deployments"] if each["status"] == "PRIMARY"
    )
    return found


async def test_it_is_taken_over_rolled_out_and_rolled_back(ecs_url: str) -> None:
    """What runs is stable from the first look on; each rollout is one UpdateService; old definitions stay."""
    place = replace(await worker(ecs_url, desired=2), delegated=True)
    async with wire(ecs_url) as between:
        seen = Place.parse(replace(place, endpoint=between.url).uri)
        async with ECSBackend.open(seen, journal=MemoryJournal()) as backend:
            adopted = await backend.observe(SHOP)
            assert adopted.stable is not None
            assert len(adopted.revisions[0].ready) == 2
            deployer = Deployer(backend, validate=False)
            for version in ("1", "2"):
                between.calls.clear()
                result = await deployer.deploy(SHOP, release(version), HOW)
                assert result.outcome is Outcome.PROMOTED
                assert between.calls["ecs:UpdateService"] == between.calls["ecs:RegisterTaskDefinition"] == 1
            back = await deployer.rollback(SHOP)
            found = await backend.observe(SHOP)
        assert back.promoted
        assert found.stable == release("1").revision
        assert [(each.id, len(each.ready)) for each in found.revisions] == [(release("1").revision, 2)]
        first = between.said[[name for name, _ in between.said].index("ecs:UpdateService")][1]
        assert first["deploymentConfiguration"]["deploymentCircuitBreaker"] == {
            "enable": True,
            "rollback": True,
        }


async def test_a_guard_takes_it_back(ecs_url: str) -> None:
    """A verdict while ECS rolls, or after it, leads to exactly the definition that was stable, and by ECS itself."""
    place = replace(await worker(ecs_url, desired=2), delegated=True)
    before = (await primary(place))["taskDefinition"]

    async def bad(_: object) -> CheckResult:
        return CheckResult(Verdict.FAIL, "it is bad")

    how = replace(HOW, analysis=(BoundCheck("mine", configuration="1"),), watch=30, every=0.1)
    async with ECSBackend.open(place, journal=MemoryJournal()) as backend:
        deployer = Deployer(backend, checks={"mine": bad}, validate=False)
        with pytest.raises(DeploymentError, match="bad") as caught:
            await deployer.deploy(SHOP, release("bad"), how)
        seen = await backend.observe(SHOP)
    assert caught.value.result is not None
    assert caught.value.result.outcome is Outcome.ROLLED_BACK
    assert (await primary(place))["taskDefinition"] == before
    assert [len(each.ready) for each in seen.revisions if each.id == seen.stable] == [2]


@pytest.mark.timeout(600)  # the image may have to be made
async def test_what_crashes_trips_the_breaker_and_is_told(
    containers_url: str, application_image: str
) -> None:
    """ECS rolls back by itself; the failure holds the task's exit and its last words, and nothing is asked twice."""
    place = replace(
        await worker(containers_url, image=application_image, command=("sleep", "3600"), desired=2),
        delegated=True,
    )
    crash = release("crash", command=["sh", "-c", "echo goodbye; exit 3"])
    async with wire(containers_url) as between:
        seen = replace(place, endpoint=between.url)
        async with ECSBackend.open(seen, journal=MemoryJournal()) as backend:
            deployer = Deployer(backend, validate=False)
            with pytest.raises(DeploymentError, match="circuit breaker") as caught:
                await deployer.deploy(SHOP, crash, HOW)
            stable = await backend.observe(SHOP)
    result = caught.value.result
    assert result is not None
    assert result.outcome is Outcome.ROLLED_BACK
    assert "exited with 3" in "".join(result.evidence)
    assert between.calls["ecs:UpdateService"] == 1
    assert [len(each.ready) for each in stable.revisions if each.id == stable.stable] == [2]


def carried(between: Wire, states: list[str]) -> list[str]:
    """Let service deployments be told as ECS tells them, which no emulator does; return what was asked to stop how."""
    arn, stopped = f"arn:aws:ecs:{REGION}:000000000000:service-deployment/c/s/1", []

    def asked() -> str:
        updates = [said for name, said in between.said if name == "ecs:UpdateService"]
        return str(updates[0]["taskDefinition"]) if updates else ""

    def described(_: dict[str, Any]) -> dict[str, Any]:
        state = states.pop(0) if len(states) > 1 else states[0]
        found = {"serviceDeploymentArn": arn, "status": state, "lifecycleStage": "BAKE_TIME"}
        return {"serviceDeployments": [{**found, "targetServiceRevision": {"arn": "arn:revision"}}]}

    def stop(said: dict[str, Any]) -> dict[str, Any]:
        stopped.append(said["stopType"])
        states[:] = ["ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"]
        return {"serviceDeploymentArn": said["serviceDeploymentArn"]}

    between.answers |= {
        "ecs:ListServiceDeployments": lambda _: {
            "serviceDeployments": [{"serviceDeploymentArn": arn, "createdAt": 1}] if asked() else []
        },
        "ecs:DescribeServiceDeployments": described,
        "ecs:DescribeServiceRevisions": lambda _: {
            "serviceRevisions": [{"taskDefinition": f"arn:aws:ecs:x:1:task-definition/{asked()}"}]
        },
        "ecs:StopServiceDeployment": stop,
    }
    return stopped


async def shifting(url: str) -> Place:
    """Make a service that is set up for ECS to move its traffic."""
    place = replace(await worker(url, desired=1), delegated=True)
    advanced = {
        "alternateTargetGroupArn": "arn:green",
        "productionListenerRule": "arn:rule",
        "roleArn": "arn:role",
    }
    balancer = {"targetGroupArn": "arn:blue", "containerName": "app", "containerPort": 8000}
    async with AWS.open(REGION, endpoint=url) as aws:
        await aws.call(
            "ecs",
            "update_service",
            cluster=place.cluster,
            service=place.service,
            loadBalancers=[{**balancer, "advancedConfiguration": advanced}],
        )
    return place


async def test_shares_are_watched_until_ecs_says_that_they_are_done(ecs_url: str) -> None:
    """Tasks that all run are not the end: the service deployment bakes on, and is stopped with a rollback where it is bad."""
    place = await shifting(ecs_url)
    worker_target = Target("shop", replicas=1)
    async with wire(ecs_url) as between:
        carried(between, ["IN_PROGRESS", "IN_PROGRESS", "SUCCESSFUL"])
        seen = replace(place, endpoint=between.url)
        async with ECSBackend.open(seen, journal=MemoryJournal()) as backend:
            deployer = Deployer(backend, validate=False)
            canary = replace(HOW, traffic=Canary(steps=(10, 100), bake=(60, 0)))
            assert (await deployer.deploy(worker_target, release("1"), canary)).promoted
            asked = next(said for name, said in between.said if name == "ecs:UpdateService")
            assert asked["deploymentConfiguration"]["strategy"] == "CANARY"
            assert between.calls["ecs:DescribeServiceDeployments"] >= 3
            between.said.clear()
            stopped = carried(between, ["IN_PROGRESS"])
            shifted = replace(HOW, traffic=BlueGreen(watch=60))
            async with deployer.run(await deployer.plan(worker_target, release("2"), shifted)) as rollout:
                async for event in rollout.events():
                    if isinstance(event.record, Progressed) and "bake_time" in event.record.message:
                        await rollout.abort("enough")
                        break

                result = await rollout.result()
            found = await backend.observe(worker_target)
    assert result.outcome is Outcome.ABORTED
    assert stopped == ["ROLLBACK"]
    assert found.stable == release("1").revision
    assert [each.id for each in found.revisions] == [release("1").revision]


async def test_what_cannot_be_delegated_is_refused(ecs_url: str) -> None:
    """Shares need a load balancer that is set up for them; one service is deployed in one way."""
    place = await worker(ecs_url, desired=1)
    native = replace(place, delegated=True)
    async with ECSBackend.open(native, journal=MemoryJournal()) as backend:
        assert Capability.DELEGATED_SHARES not in backend.capabilities
        with pytest.raises(UnsupportedCapability, match="leave traffic= out"):
            await Deployer(backend).plan(SHOP, release("1"), replace(HOW, traffic=BlueGreen()))
        await backend.adopt(SHOP)
        with pytest.raises(Refused, match="not of 'other/production'"):
            await backend.check(Target("other"), release("1"))
    with pytest.raises(Refused, match="rolled out by ECS itself"):
        async with ECSBackend.open(place, journal=MemoryJournal()):
            pass

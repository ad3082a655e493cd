"""What to look at in AWS before a plan is run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fairdeploy.backends.ecs import _services
from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Validation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.protocols import Scene
    from fairdeploy.routing.alb import ALBRouter

__all__ = ["validations"]

_PAGE = ("NextToken", "NextToken")
_DELAY = "deregistration_delay.timeout_seconds"
_DEFAULT_DELAY = 300
"""Seconds of deregistration delay unless set (ELBv2 API reference)."""


def validations(aws: AWS, place: Place, router: ALBRouter | None) -> tuple[Validation, ...]:
    """Return what can be looked at here; of which release, the scene says when it is its turn."""

    async def alarms(_: Scene) -> Sequence[Finding]:
        return await _alarms(aws, place, router)

    async def drain(scene: Scene) -> Sequence[Finding]:
        return [] if router is None else await _drain(aws, router, scene)

    async def network(_: Scene) -> Sequence[Finding]:
        return await _network(aws, place)

    return (
        Validation("alarms", aspect=Aspect.DEPENDENCIES, look=alarms),
        Validation("drain", aspect=Aspect.CONFIGURATION, look=drain),
        Validation("network", aspect=Aspect.CONFIGURATION, look=network),
    )


async def _alarms(aws: AWS, place: Place, router: ALBRouter | None) -> list[Finding]:
    """Look for alarms that fire already: AWS itself ignores them for the deployment that begins under them."""
    base = await _services.base(aws, place)
    named = base.raw.get("deploymentConfiguration", {}).get("alarms", {}).get("alarmNames", [])
    firing = await aws.pages("cloudwatch", "describe_alarms", "MetricAlarms", token=_PAGE, StateValue="ALARM")
    groups = {group.rpartition(":")[2] for group in router.slots.groups} if router else set()
    ours = [each for each in firing if each["AlarmName"] in named or _about(each, place, groups)]
    return [
        Finding(
            str(each["AlarmName"]),
            aspect=Aspect.DEPENDENCIES,
            severity=Severity.CRITICAL,
            passed=False,
            message=f"alarm {each['AlarmName']!r} fires already: {str(each.get('StateReason', ''))[:200]}",
            remedy="mend what it is about first: an alarm that was there before says nothing about the new revision",
        )
        for each in ours
    ] or [_well("alarms", Aspect.DEPENDENCIES, "no alarm of the service or its target groups fires")]


def _about(alarm: Answer, place: Place, groups: set[str]) -> bool:
    said = {str(each["Name"]): str(each["Value"]) for each in alarm.get("Dimensions", [])}
    mine = (said.get("ClusterName"), said.get("ServiceName")) == (place.cluster, place.service)
    return mine or said.get("TargetGroup") in groups


async def _drain(aws: AWS, router: ALBRouter, scene: Scene) -> list[Finding]:
    """Hold the deregistration delay against the time that a task has to stop."""
    stops, found = math.ceil(scene.release.stop_grace_ms / 1000), []
    for group in router.slots.groups:
        answer = await aws.call("elbv2", "describe_target_group_attributes", TargetGroupArn=group)
        said = {str(each["Key"]): str(each["Value"]) for each in answer["Attributes"]}
        name, delay = group.split("/")[-2], int(said.get(_DELAY, _DEFAULT_DELAY))
        good = delay * 1000 <= scene.target.drain_ms or delay <= stops
        found.append(
            Finding(
                f"{name}: deregistration delay",
                aspect=Aspect.CONFIGURATION,
                severity=Severity.WARNING,
                passed=good,
                message=f"{name!r} drains for {delay} s; a task stops within {stops} s, and we wait {scene.target.drain_ms / 1000:g} s",
                remedy="" if good else f"set {_DELAY} to at most {max(stops, scene.target.drain_ms // 1000)}",
            )
        )
        if said.get("stickiness.enabled") == "true":
            found.append(
                Finding(
                    f"{name}: stickiness",
                    aspect=Aspect.CONFIGURATION,
                    severity=Severity.WARNING,
                    passed=False,
                    message=f"{name!r} keeps visitors by cookie: who has been there stays, whatever the weights say",
                    remedy="turn stickiness off, or expect shares to lag by the cookie's life",
                )
            )
    return found


async def _network(aws: AWS, place: Place) -> list[Finding]:
    base = await _services.base(aws, place)
    answer = await aws.call("ecs", "describe_task_definition", taskDefinition=base.definition)
    mode = answer["taskDefinition"].get("networkMode", "bridge")
    found = [
        Finding(
            "network mode",
            aspect=Aspect.CONFIGURATION,
            severity=Severity.CRITICAL,
            passed=mode == "awsvpc" or base.group is None,
            message=f"tasks of {base.name!r} have network mode {mode!r}",
            remedy=""
            if mode == "awsvpc"
            else "use awsvpc: a task's own address is what the load balancer reaches",
        )
    ]
    if base.raw.get("serviceRegistries") or base.raw.get("serviceConnectConfiguration", {}).get("enabled"):
        found.append(
            Finding(
                "service discovery",
                aspect=Aspect.CONFIGURATION,
                severity=Severity.WARNING,
                passed=False,
                message=f"{base.name!r} is found by name too; new revisions are not entered there",
                remedy="let callers come by the load balancer while revisions change",
            )
        )
    return found


def _well(name: str, aspect: Aspect, message: str) -> Finding:
    return Finding(name, aspect=aspect, severity=Severity.INFO, passed=True, message=message)

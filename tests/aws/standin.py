"""One address for two emulators: ECS of ministack without containers, load balancers of moto, and what joins them.

Each task has an address, and a service registers its tasks in its target group, as ECS does. Jobs have run as soon as they
are looked at. Nothing runs, so a crash point takes seconds.
"""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import anyio
import httpx
from aiohttp import web

from fairdeploy.aws import AWS
from tests.aws.worlds import REGION
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fairdeploy.aws import Answer

__all__ = ["joined"]

_EVERY: Final = 0.05
_PORT: Final = 8000
_SERVICE: Final = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")
_OF_MOTO: Final = {"elasticloadbalancing", "ec2"}
_KEPT: Final = {"content-type", "x-amzn-requestid", "x-amzn-errortype"}


@final
@dataclass(frozen=True, slots=True)
class _Front:
    """Passes each request on to the emulator that knows its service."""

    ecs: str
    moto: str
    client: httpx.AsyncClient

    async def answer(self, request: web.Request) -> web.Response:
        """Ask the right one; tell what tasks have that run nowhere."""
        found = _SERVICE.search(request.headers.get("authorization", ""))
        there = self.moto if found and found[1] in _OF_MOTO else self.ecs
        headers = {key: value for key, value in request.headers.items() if key.lower() != "host"}
        said = await self.client.request(
            request.method, f"{there}{request.rel_url}", content=await request.read(), headers=headers
        )
        body = said.content
        if said.is_success and request.headers.get("x-amz-target", "").endswith(".DescribeTasks"):
            tasks = json.loads(body)
            tasks["tasks"] = [_lived(each) for each in tasks["tasks"]]
            body = json.dumps(tasks).encode()
        kept = {key: value for key, value in said.headers.items() if key.lower() in _KEPT}
        return web.Response(status=said.status_code, body=body, headers=kept)


def _lived(task: dict[str, Any]) -> dict[str, Any]:  # Any: as AWS describes it
    """Return a task as if it ran: with an address; a job has done what it was to do."""
    if str(task.get("startedBy", "")).startswith("fd-"):
        ended = [{**each, "lastStatus": "STOPPED", "exitCode": 0} for each in task["containers"]]
        return {**task, "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "containers": ended}
    details = [{"name": "privateIPv4Address", "value": _address(task["taskArn"])}]
    return {**task, "attachments": [{"type": "ElasticNetworkInterface", "details": details}]}


def _address(arn: str) -> str:
    name = arn.rpartition("/")[2].replace("-", "")
    return ".".join(("10", *(str(int(name[at : at + 2], 16)) for at in (0, 2, 4))))


async def _register(aws: AWS) -> None:
    """Have in each target group the tasks of the services that are registered there, and no others."""
    for balancer in (await aws.call("elbv2", "describe_target_groups"))["TargetGroups"]:
        group = str(balancer["TargetGroupArn"])
        name = group.split("/")[1].rpartition("-")[0]
        wanted = {address for each in await _services(aws, name, group) for address in each}
        answer = await aws.call("elbv2", "describe_target_health", TargetGroupArn=group)
        there = {str(each["Target"]["Id"]) for each in answer["TargetHealthDescriptions"]}
        for operation, addresses in (
            ("register_targets", wanted - there),
            ("deregister_targets", there - wanted),
        ):
            if addresses:
                targets = [{"Id": each, "Port": _PORT} for each in sorted(addresses)]
                await aws.call("elbv2", operation, TargetGroupArn=group, Targets=targets)


async def _services(aws: AWS, cluster: str, group: str) -> Sequence[Sequence[str]]:
    """Return the addresses of the tasks of each service that has a target group."""
    arns = (await aws.call("ecs", "list_services", cluster=cluster))["serviceArns"]
    found: list[Answer] = []
    if arns:
        found = (await aws.call("ecs", "describe_services", cluster=cluster, services=arns))["services"]
    return [
        [
            _address(arn)
            for arn in (
                await aws.call("ecs", "list_tasks", cluster=cluster, serviceName=each["serviceName"])
            )["taskArns"]
        ]
        for each in found
        if each["status"] == "ACTIVE"
        and group in {one.get("targetGroupArn") for one in each["loadBalancers"]}
    ]


@asynccontextmanager
async def joined(ecs: str, moto: str) -> AsyncIterator[str]:
    """Give the address at which both are one, while the block runs."""
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        runner = web.ServerRunner(web.Server(_Front(ecs, moto, client).answer))  # type: ignore[arg-type]  # every request is a whole one
        async with serving(runner) as port, anyio.create_task_group() as tasks:
            url = f"http://127.0.0.1:{port}"
            tasks.start_soon(_registering, url)
            try:
                yield url
            finally:
                tasks.cancel_scope.cancel()


async def _registering(url: str) -> None:
    async with AWS.open(REGION, endpoint=url) as aws:
        while True:
            await _register(aws)
            await anyio.sleep(_EVERY)

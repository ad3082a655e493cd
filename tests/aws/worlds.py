"""What a test finds in AWS before it begins: a cluster with a service, with or without a load balancer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.aws import AWS
from fairdeploy.backends.ecs import Place

if TYPE_CHECKING:
    from fairdeploy.aws import Answer

__all__ = ["REGION", "Balanced", "balanced", "worker"]

REGION = "us-east-1"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """A service behind a load balancer.

    Args:
        place: The service.
        listener: Its listener.
        balancer: Its load balancer's ARN.
        host: Its load balancer's name.
        groups: Both target groups.
    """

    place: Place
    listener: str
    balancer: str
    host: str
    groups: tuple[str, str]


async def worker(
    url: str, *, image: str = "none", command: tuple[str, ...] = ("sleep",), desired: int = 0
) -> Place:
    """Make a cluster with a service that has no load balancer."""
    name = f"w{secrets.token_hex(3)}"
    async with AWS.open(REGION, endpoint=url) as aws:
        await _cluster(aws, name, image, command)
        await _service(aws, name, desired=desired)
    return Place(REGION, cluster=name, service="shop", endpoint=url, scaling=False)


async def balanced(
    url: str,
    *,
    image: str = "none",
    command: tuple[str, ...] = ("sleep",),
    desired: int = 0,
    service: bool = True,
) -> Balanced:
    """Make a listener that forwards to two target groups, 100 to 0, with a service behind it or without."""
    name = f"b{secrets.token_hex(3)}"
    async with AWS.open(REGION, endpoint=url) as aws:
        vpc = (await aws.call("ec2", "describe_vpcs"))["Vpcs"][0]["VpcId"]
        subnets = (await aws.call("ec2", "describe_subnets"))["Subnets"]
        made = await aws.call(
            "elbv2", "create_load_balancer", Name=name, Subnets=[s["SubnetId"] for s in subnets[:2]]
        )
        balancer = made["LoadBalancers"][0]
        groups = [await _group(aws, f"{name}-{colour}", vpc) for colour in ("blue", "green")]
        config = {
            "TargetGroups": [{"TargetGroupArn": g, "Weight": w} for g, w in zip(groups, (1, 0), strict=True)]
        }
        listener = await aws.call(
            "elbv2",
            "create_listener",
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "ForwardConfig": config}],
        )
        if service:
            await _cluster(aws, name, image, command)
            await _service(aws, name, desired=desired, group=groups[0], subnet=subnets[0]["SubnetId"])
    return Balanced(
        place=Place(REGION, cluster=name, service="shop", endpoint=url, scaling=False),
        listener=listener["Listeners"][0]["ListenerArn"],
        balancer=balancer["LoadBalancerArn"],
        host=balancer["DNSName"],
        groups=(groups[0], groups[1]),
    )


async def _group(aws: AWS, name: str, vpc: str) -> str:
    made = await aws.call(
        "elbv2", "create_target_group", Name=name, Protocol="HTTP", Port=8000, TargetType="ip", VpcId=vpc
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


async def _cluster(aws: AWS, name: str, image: str, command: tuple[str, ...]) -> None:
    await aws.call("ecs", "create_cluster", clusterName=name)
    container: Answer = {
        "name": "app",
        "image": image,
        "command": list(command),
        "memory": 128,
        "portMappings": [{"containerPort": 8000}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": f"/{name}",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "app",
                "awslogs-create-group": "true",
            },
        },
    }
    await aws.call("logs", "create_log_group", logGroupName=f"/{name}")
    await aws.call(
        "ecs",
        "register_task_definition",
        family=name,
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )


async def _service(
    aws: AWS, name: str, *, desired: int, group: str | None = None, subnet: str = "subnet-1"
) -> None:
    network = {"awsvpcConfiguration": {"subnets": [subnet]}}
    balancers = [{"targetGroupArn": group, "containerName": "app", "containerPort": 8000}] if group else None
    await aws.call(
        "ecs",
        "create_service",
        cluster=name,
        serviceName="shop",
        taskDefinition=name,
        desiredCount=desired,
        networkConfiguration=network,
        loadBalancers=balancers,
    )

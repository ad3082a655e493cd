"""Making a revision's service: its task definition, its target group, its service."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from fairdeploy.aws import code_of
from fairdeploy.backends.ecs import _services
from fairdeploy.errors import BackendError

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs._definitions import Definitions
    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import Release, RevisionId, Target

__all__ = ["make"]

_LIKE_BASE = (
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "availabilityZoneRebalancing",
)
"""What a revision's service has from the adopted one."""
_THERE = frozenset({"ClientException", "InvalidParameterException"})


async def make(
    aws: AWS,
    place: Place,
    base: Service,
    *,
    definitions: Definitions,
    target: Target,
    revision: RevisionId,
    release: Release,
    replicas: int,
    group: str | None,
) -> None:
    """Create the service of a revision. One that is there already, made by another program just now, is left.

    Raises:
        StartError: If the release cannot be a task, or its image is not there.
        BackendError: If ECS refuses.
    """
    definition = await definitions.registered(base, release, revision, pattern=base.definition)
    name = _services.name_of(place, target.id, revision)
    balancers = [{**each, "targetGroupArn": group} for each in base.raw.get("loadBalancers", [])[:1] if group]
    try:
        await aws.call(
            "ecs",
            "create_service",
            cluster=place.cluster,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=replicas,
            clientToken=sha256(f"{place.uri} {name} {replicas}".encode()).hexdigest()[:32],
            loadBalancers=balancers or None,
            deploymentConfiguration={"maximumPercent": 200, "minimumHealthyPercent": 100},
            propagateTags="SERVICE",
            tags=[
                {"key": _services.TARGET, "value": target.id},
                {"key": _services.REVISION, "value": revision},
                {"key": _services.REPLICAS, "value": str(replicas)},
            ],
            **{key: base.raw[key] for key in _LIKE_BASE if base.raw.get(key) and _belongs(key, balancers)},
        )
    except BackendError as error:
        # A service of this name that is there is the same revision's: names hold its hash.
        there = code_of(error) in _THERE and await _services.named(aws, place, name)
        if there and there.tags.get(_services.REVISION) == revision:
            return
        if "draining" in str(error).lower():
            error.retryable, error.retry_after = True, 5.0
        raise


def _belongs(key: str, balancers: list[Answer]) -> bool:
    return key != "healthCheckGracePeriodSeconds" or bool(balancers)

"""Auto scaling: what is registered for the service of stable goes over to the one that becomes stable."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs.place import Place

__all__ = ["forget", "move", "scaled"]

_NAMESPACE = "ecs"
_DIMENSION = "ecs:service:DesiredCount"
_POLICY = (
    "PolicyName",
    "PolicyType",
    "StepScalingPolicyConfiguration",
    "TargetTrackingScalingPolicyConfiguration",
)


def _resource(place: Place, service: str) -> str:
    return f"service/{place.cluster}/{service}"


async def move(aws: AWS, place: Place, old: str, new: str) -> None:
    """Register for a service what another has: bounds and policies. Nothing to do is no error.

    The old one keeps its own until it is removed: while both stand, both are scaled.

    Raises:
        BackendError: If Application Auto Scaling refuses.
    """
    found = await _target(aws, place, old) if place.scaling else None
    if found is None or old == new:
        return
    common = {"ServiceNamespace": _NAMESPACE, "ScalableDimension": _DIMENSION}
    await aws.call(
        "application-autoscaling",
        "register_scalable_target",
        ResourceId=_resource(place, new),
        MinCapacity=found["MinCapacity"],
        MaxCapacity=found["MaxCapacity"],
        **common,
    )
    policies = await aws.pages(
        "application-autoscaling",
        "describe_scaling_policies",
        "ScalingPolicies",
        token=("NextToken", "NextToken"),
        ResourceId=_resource(place, old),
        **common,
    )
    for policy in policies:
        settings = {name: policy[name] for name in _POLICY if policy.get(name)}
        await aws.call(
            "application-autoscaling",
            "put_scaling_policy",
            ResourceId=_resource(place, new),
            **settings,
            **common,
        )


async def scaled(aws: AWS, place: Place) -> bool:
    """Whether the number of the adopted service's tasks is auto scaling's to say.

    Raises:
        BackendError: If Application Auto Scaling refuses.
    """
    return place.scaling and await _target(aws, place, place.service) is not None


async def forget(aws: AWS, place: Place, service: str) -> None:
    """Take a service out of auto scaling, so that nothing raises it again.

    Raises:
        BackendError: If Application Auto Scaling refuses.
    """
    if place.scaling and await _target(aws, place, service) is not None:
        await aws.call(
            "application-autoscaling",
            "deregister_scalable_target",
            ServiceNamespace=_NAMESPACE,
            ScalableDimension=_DIMENSION,
            ResourceId=_resource(place, service),
        )


async def _target(aws: AWS, place: Place, service: str) -> Answer | None:
    answer = await aws.call(
        "application-autoscaling",
        "describe_scalable_targets",
        ServiceNamespace=_NAMESPACE,
        ResourceIds=[_resource(place, service)],
        ScalableDimension=_DIMENSION,
    )
    found = answer.get("ScalableTargets", [])
    return found[0] if found else None

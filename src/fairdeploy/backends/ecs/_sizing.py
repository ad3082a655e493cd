"""Another number of tasks for a service that is there: up by its count, down by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.backends.ecs import _services, _tasks

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import InstanceId

__all__ = ["resize"]

_PROTECTED_MINUTES = 10
"""How long the tasks that stay are kept from a scale-in, while those that were drained go."""
_PROTECTED_AT_ONCE = 10
"""Tasks that UpdateTaskProtection takes at once (API reference)."""


async def resize(
    aws: AWS, place: Place, found: Service, replicas: int, drained: frozenset[InstanceId]
) -> None:
    """Bring a service to so many tasks that do not quiesce, and stop those in ``drained``.

    A lower count alone would have ECS choose whom it stops. So those that stay are protected first, and the count
    is never lower than what stays.

    Raises:
        BackendError: If AWS refuses.
    """
    tasks = await _tasks.listed(aws, place, serviceName=found.name)
    live = [raw for raw in tasks if raw["desiredStatus"] != "STOPPED"]
    going = [raw for raw in live if _tasks.id_of(raw) in drained]
    staying = [raw for raw in live if _tasks.id_of(raw) not in drained]
    leaving = [raw for raw in staying if _tasks.QUIESCING in _services.tagged(raw.get("tags", []))]
    wanted = max(replicas + len(leaving), len(staying))
    if going and wanted < found.desired:
        await _protect(aws, place, staying)
    for raw in going:
        await aws.call(
            "ecs", "stop_task", cluster=place.cluster, task=raw["taskArn"], reason="fairdeploy: drained"
        )
    if wanted != found.desired or going:
        await aws.call(
            "ecs", "update_service", cluster=place.cluster, service=found.name, desiredCount=wanted
        )
    if replicas != found.replicas or _services.REPLICAS not in found.tags:
        await _services.tag(aws, found.arn, replicas=str(replicas))


async def _protect(aws: AWS, place: Place, tasks: list[Answer]) -> None:
    for first in range(0, len(tasks), _PROTECTED_AT_ONCE):
        await aws.call(
            "ecs",
            "update_task_protection",
            cluster=place.cluster,
            tasks=[raw["taskArn"] for raw in tasks[first : first + _PROTECTED_AT_ONCE]],
            protectionEnabled=True,
            expiresInMinutes=_PROTECTED_MINUTES,
        )

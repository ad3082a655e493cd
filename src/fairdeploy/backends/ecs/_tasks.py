"""Tasks as instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.backends.ecs._services import tagged
from fairdeploy.model import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import RevisionId

__all__ = ["FAILED", "QUIESCING", "described", "id_of", "instances", "listed", "why"]

QUIESCING = "fairdeploy:quiescing"
FAILED = frozenset({"TaskFailedToStart", "EssentialContainerExited"})
"""Stop codes of tasks that ended by themselves (ECS developer guide, "Stopped tasks error codes")."""
_BATCH = 100
"""Tasks that DescribeTasks takes at once (API reference)."""
_TOKEN = ("nextToken", "nextToken")
_STARTING = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})


def id_of(raw: Answer) -> str:
    """Return a task's id."""
    return str(raw["taskArn"]).rpartition("/")[2]


async def listed(aws: AWS, place: Place, **of: str) -> list[Answer]:
    """Return a service's tasks, or those that somebody started: running ones and those stopped within the last hour.

    Raises:
        BackendError: If they cannot be listed.
    """
    arns: list[str] = []
    for status in ("RUNNING", "STOPPED"):
        arns += await aws.pages(
            "ecs", "list_tasks", "taskArns", token=_TOKEN, cluster=place.cluster, desiredStatus=status, **of
        )
    return await described(aws, place, arns)


async def described(aws: AWS, place: Place, arns: Sequence[str]) -> list[Answer]:
    """Return tasks by their ARNs, oldest first.

    Raises:
        BackendError: If they cannot be described.
    """
    found: list[Answer] = []
    for first in range(0, len(arns), _BATCH):
        part = list(arns[first : first + _BATCH])
        answer = await aws.call("ecs", "describe_tasks", cluster=place.cluster, tasks=part, include=["TAGS"])
        found += answer["tasks"]
    return sorted(found, key=lambda raw: (str(raw.get("createdAt", "")), id_of(raw)))


def instances(
    tasks: Sequence[Answer], revision: RevisionId, *, port: int | None, checked: bool, trouble: str = ""
) -> tuple[Instance, ...]:
    """Return a service's tasks as instances.

    ECS replaces what ends by a task with another id. So those that ended by themselves are told as restarts of
    those that are there, and the last of them as itself where nothing is there. Where there is no task at all, what
    ECS says that keeps it from placing one (``trouble``) is told as an instance that does not come up.
    """
    live = [raw for raw in tasks if raw["desiredStatus"] != "STOPPED"]
    failed = [raw for raw in tasks if raw["desiredStatus"] == "STOPPED" and raw.get("stopCode") in FAILED]
    if not live and failed:
        last = failed[-1]
        return (
            Instance(
                id_of(last), revision=revision, state="backoff", restarts=len(failed) - 1, detail=why(last)
            ),
        )
    if not live and trouble:
        return (Instance("unplaced", revision=revision, state="backoff", detail=trouble),)
    restarts, detail = len(failed), why(failed[-1]) if failed else ""
    return tuple(_instance(raw, revision, port, restarts, detail, checked=checked) for raw in live)


def _instance(
    raw: Answer, revision: RevisionId, port: int | None, restarts: int, detail: str, *, checked: bool
) -> Instance:
    status, health = str(raw["lastStatus"]), str(raw.get("healthStatus", "UNKNOWN"))
    running = status == "RUNNING"
    ready = running and (health == "HEALTHY" or not checked)
    address = _address(raw)
    words = detail or (f"health {health.lower()}" if running else status.lower())
    return Instance(
        id_of(raw),
        revision=revision,
        address=f"{address}:{port}" if address and port else None,
        ready=ready,
        quiescing=QUIESCING in tagged(raw.get("tags", [])),
        state="running" if running else "starting",
        restarts=0 if ready else restarts,
        detail="" if ready else words,
    )


def _address(raw: Answer) -> str | None:
    details = [detail for each in raw.get("attachments", []) for detail in each.get("details", [])]
    return next((str(each["value"]) for each in details if each.get("name") == "privateIPv4Address"), None)


def why(raw: Answer) -> str:
    """Return why a task ended, in AWS's words, with what its containers said."""
    parts = [f"{raw.get('stopCode', 'stopped')}: {raw.get('stoppedReason', 'no reason given')}"]
    for container in raw.get("containers", []):
        code = container.get("exitCode")
        if container.get("reason") or code:
            parts.append(
                f"{container['name']} exited with {code}: {container.get('reason', '')}".rstrip(": ")
            )
    return "; ".join(parts)

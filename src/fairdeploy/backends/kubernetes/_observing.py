"""From Deployments and pods to what is there: a pure function."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from fairdeploy.model import Deployment, Instance, Revision
from fairdeploy.routing.kubernetes import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fairdeploy.model import Target
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["deployment", "instance", "is_going", "of"]

_State: TypeAlias = Literal["starting", "running", "backoff", "exited"]
_NEVER: Final = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""What the kubelet says of a container that it will not get to run by trying again soon."""


def deployment(
    target: Target, deployments: Sequence[Object], pods: Sequence[Object], stable: str | None, port: int
) -> Deployment:
    """Return what is there."""
    wanted = {
        each["metadata"]["labels"][names.REVISION]: replicas(each) for each in _oldest_first(deployments)
    }
    for each in _oldest_first(pods):
        wanted.setdefault(
            each["metadata"]["labels"][names.REVISION], 0
        )  # its Deployment is gone, it is not yet
    known = {each["metadata"]["labels"][names.REVISION] for each in deployments}
    return Deployment(
        target.id,
        revisions=tuple(
            Revision(
                revision,
                replicas=count,
                instances=tuple(
                    instance(each, revision, port, orphan=revision not in known)
                    for each in _oldest_first(of(pods, revision))
                ),
            )
            for revision, count in wanted.items()
        ),
        stable=stable or None,
    )


def of(pods: Iterable[Object], revision: str) -> list[Object]:
    """Return the pods of a revision that have not ended for good."""
    return [each for each in pods if each["metadata"]["labels"].get(names.REVISION) == revision]


def replicas(found: Object) -> int:
    """Return how many instances were asked for, not counting those that quiesce."""
    notes = found["metadata"].get("annotations", {})
    return int(notes.get(names.REPLICAS, found["spec"].get("replicas", 1)))


def is_going(pod: Object) -> bool:
    """Whether a pod is on its way out: marked so, or being stopped."""
    marked = pod["metadata"].get("labels", {}).get(names.SERVING) == "false"
    return marked or "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Object) -> bool:
    """Whether its readiness probe passes."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _oldest_first(found: Iterable[Object]) -> list[Object]:
    return sorted(found, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))


def instance(pod: Object, revision: str, port: int, *, orphan: bool = False) -> Instance:
    """Return a pod in our words; an orphan's Deployment is gone."""
    state, detail = _how(pod)
    ready = is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
    address = pod.get("status", {}).get("podIP")
    return Instance(
        pod["metadata"]["name"],
        revision=revision,
        address=f"{address}:{_port(pod, port)}" if address else None,
        ready=ready,
        quiescing=is_going(pod) or orphan,
        state=state,
        restarts=sum(each.get("restartCount", 0) for each in _containers(pod)),
        detail="" if ready else detail or "its readiness probe has not passed yet",
    )


def _port(pod: Object, port: int) -> int:
    for container in pod["spec"]["containers"]:
        for each in container.get("ports", []):
            return int(each["containerPort"])
    return port


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    found: list[Object] = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return found


def _how(pod: Object) -> tuple[_State, str]:
    """Return the state and why it is not ready, in the kubelet's words."""
    status = pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"]:
        return "running", "it is being stopped"
    if status.get("phase") in {"Failed", "Succeeded"}:
        return "exited", status.get("message") or status.get("reason") or _last(pod) or "it has ended"
    for each in _containers(pod):
        waiting = each.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") in _NEVER:
            hopeless = waiting["reason"] != "CrashLoopBackOff" or _quick(each)
            return "exited" if hopeless else "backoff", _said(waiting, each)
        if each.get("state", {}).get("terminated") and each in status.get("containerStatuses", []):
            return "backoff", _ended(each["state"]["terminated"])
    if status.get("phase") == "Running":
        return "running" if _was_ready(pod) else "starting", ""
    return "starting", _unscheduled(pod) or "its containers are being started"


def _was_ready(pod: Object) -> bool:
    """Whether it runs well enough to be left alone: it is ready, or its probe has changed its mind since it started."""
    if is_ready(pod):
        return True
    conditions = {each["type"]: each for each in pod.get("status", {}).get("conditions", [])}
    ready, began = conditions.get("Ready"), pod["status"].get("startTime")
    if ready is None or began is None or any(each.get("restartCount") for each in _containers(pod)):
        return False
    since = _moment(ready.get("lastTransitionTime") or began) - _moment(began)
    return since.total_seconds() > 5


def _quick(container: Object) -> bool:
    """Whether a container that crashes does so at once, and has done so again."""
    ended = container.get("lastState", {}).get("terminated") or {}
    if not ended.get("startedAt") or not ended.get("finishedAt"):
        return bool(container.get("restartCount", 0) >= 2)
    lived = _moment(ended["finishedAt"]) - _moment(ended["startedAt"])
    return bool(container.get("restartCount", 0) >= 1 and lived.total_seconds() <= 5)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _said(waiting: Object, container: Object) -> str:
    ended = container.get("lastState", {}).get("terminated")
    last = f"; {_ended(ended)}" if ended else ""
    return f"{waiting['reason']}: {waiting.get('message', '')[:300]}".rstrip(": ") + last


def _ended(terminated: Object) -> str:
    reason = terminated.get("reason") or "Ended"
    return f"{reason}, exit status {terminated.get('exitCode')}"


def _last(pod: Object) -> str:
    ended = [
        each["state"]["terminated"] for each in _containers(pod) if "terminated" in each.get("state", {})
    ]
    return _ended(ended[-1]) if ended else ""


def _unscheduled(pod: Object) -> str:
    for each in pod.get("status", {}).get("conditions", []):
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return str(each.get("message") or each.get("reason") or "no node takes it")
    return ""

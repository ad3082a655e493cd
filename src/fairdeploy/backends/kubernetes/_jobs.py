"""One-off commands beside a revision: each key runs once, as a Job of the cluster."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from fairdeploy.backends.kubernetes import _pods, _words
from fairdeploy.backends.kubernetes._effects import refused
from fairdeploy.protocols import JobState
from fairdeploy.routing.kubernetes import fencing, names
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from fairdeploy.backends.kubernetes._effects import Effects
    from fairdeploy.model import Job, Release, RevisionId
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["execute"]

_LINES: Final = 200


async def execute(effects: Effects, revision: RevisionId, release: Release, job: Job) -> JobState:
    """Start a job once per key, and return how far it has come. It is created suspended, and let go under the fence."""
    await effects.enter()
    mark = hashlib.sha256(f"{revision}\0{effects.fence.key}".encode()).hexdigest()[:10]
    name = f"{names.base(effects.target)}-job-{mark}"
    path = effects.path("jobs", name)
    found = await effects.client.find(path)
    if found is None:
        made = _pods.job(
            effects.settings, effects.target, revision, release, name=name, command=tuple(job.command)
        )
        try:
            await effects.client.create(effects.path("jobs"), made)
        except Answered as answer:
            if answer.reason != "AlreadyExists":
                raise refused(answer, f"job {job.name!r}") from answer
        await effects.enter(now=True)
    if found is None or found["spec"].get("suspend"):
        found = await fencing.guarded(
            effects.client, effects.target, effects.fence, path, lambda _found: {"spec": {"suspend": False}}
        )
    return await _state(effects, name, found or {})


async def _state(effects: Effects, name: str, found: Object) -> JobState:
    conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
    phase = (
        "succeeded"
        if conditions.get("Complete") == "True"
        else "failed"
        if conditions.get("Failed") == "True"
        else "running"
    )
    pods = await effects.client.get(effects.path("pods"), labelSelector=f"fairdeploy.io/job={name}")
    output: tuple[str, ...] = ()
    code: int | None = None
    for pod in pods["items"]:
        output = await _words.of(effects.client, pod["metadata"]["name"], _LINES)
        for each in pod.get("status", {}).get("containerStatuses", []):
            code = each.get("state", {}).get("terminated", {}).get("exitCode", code)
    return JobState(
        phase=phase,  # type: ignore[arg-type]  # one of the three
        exit_code=code if phase != "running" else None,
        output=output,
    )

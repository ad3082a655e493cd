"""Jobs: a task of the revision's own definition with another command, once per key."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from fairdeploy.backends.ecs import _definition, _tail, _tasks
from fairdeploy.errors import StartError
from fairdeploy.protocols import JobState

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import Job, TargetId

__all__ = ["execute"]

_LINES = 50
_LAUNCH = ("launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration")


async def execute(
    aws: AWS, place: Place, service: Service, *, definition: Answer, target: TargetId, job: Job, key: str
) -> JobState:
    """Start a job once per key, and return how far it has come.

    ECS knows a stopped task for about an hour, and the token of a start for 24: after that a key is unknown.

    Raises:
        StartError: If no task can be placed.
        BackendError: If ECS cannot be asked.
    """
    mark = f"fd-{sha256(f'{target}{chr(0)}{key}'.encode()).hexdigest()[:32]}"
    found = await _tasks.listed(aws, place, startedBy=mark)
    raw = (
        found[0] if found else await _started(aws, place, service, definition=definition, job=job, mark=mark)
    )
    if raw["lastStatus"] != "STOPPED":
        return JobState(phase="running")
    container = _definition.main(definition, service.raw)["name"]
    code = next(
        (each.get("exitCode") for each in raw.get("containers", []) if each["name"] == container), None
    )
    said = await _tail.words(aws, definition, service.raw, [raw], _LINES)
    output = said.get(_tasks.id_of(raw), ())
    if code == 0:
        return JobState(phase="succeeded", exit_code=0, output=output)
    return JobState(phase="failed", exit_code=code, output=(*output, _tasks.why(raw)))


async def _started(
    aws: AWS, place: Place, service: Service, *, definition: Answer, job: Job, mark: str
) -> Answer:
    container = _definition.main(definition, service.raw)["name"]
    answer = await aws.call(
        "ecs",
        "run_task",
        cluster=place.cluster,
        taskDefinition=service.definition,
        count=1,
        startedBy=mark,
        clientToken=mark,
        overrides={"containerOverrides": [{"name": container, "command": list(job.command)}]},
        **{name: service.raw[name] for name in _LAUNCH if service.raw.get(name)},
    )
    if not answer.get("tasks"):
        failures = [f"{each.get('arn', '')}: {each.get('reason', '')}" for each in answer.get("failures", [])]
        raise StartError(
            f"job {job.name!r} cannot be placed in cluster {place.cluster!r}: {'; '.join(failures)}"
        )
    found: Answer = answer["tasks"][0]
    return found

"""The task definition of a release: the adopted service's, with the release's own in its main container."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING

from fairdeploy.errors import StartError
from fairdeploy.model import CommandProbe

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.model import Release, RevisionId

__all__ = ["KEPT", "definition", "main", "pinned", "port", "refuse"]

KEPT = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "ephemeralStorage",
    "runtimePlatform",
)
"""What RegisterTaskDefinition takes of what DescribeTaskDefinition says; the rest AWS fills in."""
_LONGEST_STOP = 120
"""Seconds that Fargate grants at most between SIGTERM and SIGKILL (`stopTimeout`)."""


def refuse(release: Release) -> None:
    """Do nothing if a release can be a task.

    Raises:
        StartError: If it holds what a task definition cannot.
    """
    if release.config:
        raise StartError(
            f"release {release.version!r} has config files {sorted(release.config)!r}, which ECS cannot place: "
            "put them into the image, or their content into env"
        )
    if release.secrets:
        raise StartError(
            f"release {release.version!r} has secrets {sorted(release.secrets)!r}, and whoever may describe a task "
            "definition could read them: name them under `secrets` in the adopted service's task definition instead"
        )
    if release.stop_signal != "SIGTERM":
        raise StartError(
            f"release {release.version!r} stops by {release.stop_signal}, but ECS sends what the image says: "
            "write STOPSIGNAL into the Dockerfile and leave stop_signal as it is"
        )
    if release.stop_grace_ms > _LONGEST_STOP * 1000:
        raise StartError(
            f"release {release.version!r} needs longer than {_LONGEST_STOP} s to stop: Fargate waits no longer"
        )


def main(raw: Answer, service: Answer) -> Answer:
    """Return the container that is the application: the load balancer's, else the first essential one."""
    named = next((each["containerName"] for each in service.get("loadBalancers", [])), None)
    containers = raw["containerDefinitions"]
    essential = [each for each in containers if each.get("essential", True)]
    found: Answer = next((each for each in containers if each["name"] == named), (essential or containers)[0])
    return found


def port(raw: Answer, service: Answer) -> int | None:
    """Return where the application listens, or ``None`` for a worker."""
    balanced = next((each["containerPort"] for each in service.get("loadBalancers", [])), None)
    mapped = next((each["containerPort"] for each in main(raw, service).get("portMappings", [])), None)
    listens = balanced or mapped
    return int(listens) if listens is not None else None


def definition(
    raw: Answer, service: Answer, release: Release, revision: RevisionId, image: str | None
) -> Answer:
    """Return what is registered for a release.

    Args:
        raw: The adopted service's task definition.
        service: The adopted service.
        release: What is to run.
        revision: As which revision.
        image: The release's image by digest; ``None``: the adopted service's.
    """
    wanted: Answer = {name: deepcopy(raw[name]) for name in KEPT if raw.get(name)}
    containers = deepcopy(raw["containerDefinitions"])
    one = main({"containerDefinitions": containers}, service)
    listens = str(port(raw, service) or "")

    def filled(text: str) -> str:
        return text.replace("{port}", listens).replace("{revision}", revision)

    if image is not None:
        one["image"] = image
    if release.command:
        one["command"] = [filled(word) for word in release.command]
    own = {name: filled(value) for name, value in release.env.items() if isinstance(value, str)}
    kept = [each for each in one.get("environment", []) if each["name"] not in own]
    one["environment"] = [*kept, *({"name": name, "value": value} for name, value in own.items())]
    one["stopTimeout"] = max(2, math.ceil(release.stop_grace_ms / 1000))
    if release.workdir is not None:
        one["workingDirectory"] = release.workdir
    probe = release.probes.readiness
    if isinstance(probe, CommandProbe):
        one["healthCheck"] = {
            "command": ["CMD", *(filled(word) for word in probe.command)],
            "interval": min(300, max(5, math.ceil(probe.interval_ms / 1000))),
            "timeout": min(60, max(2, math.ceil(probe.timeout_ms / 1000))),
            "retries": min(10, max(1, probe.failures)),
            "startPeriod": min(300, math.ceil(probe.initial_delay_ms / 1000)),
        }
    wanted["containerDefinitions"] = containers
    wanted["tags"] = [{"key": "fairdeploy:revision", "value": revision}]
    return wanted


async def pinned(aws: AWS, image: str | None) -> str | None:
    """Return an image by its digest: what a tag in ECR points to now. Others ECS resolves once per deployment.

    Raises:
        StartError: If ECR has no such image.
    """
    if image is None or "@sha256:" in image or ".dkr.ecr." not in image:
        return image
    host, _, path = image.partition("/")
    name, _, label = path.partition(":")
    answer = await aws.call(
        "ecr",
        "describe_images",
        registryId=host.partition(".")[0],
        repositoryName=name,
        imageIds=[{"imageTag": label or "latest"}],
    )
    found = answer.get("imageDetails", [])
    if not found:
        raise StartError(f"image {image!r} is not in ECR: push it first")
    return f"{host}/{name}@{found[0]['imageDigest']}"

"""The services of a target: which are there, and what is written on them.

All that is known between two programs is in tags: of which target and revision a service is, how many instances are
wanted, and the stable mark, whose highest number counts, so that one write moves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, final

from fairdeploy.aws import code_of
from fairdeploy.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import RevisionId, TargetId

__all__ = [
    "BASE",
    "DELEGATED",
    "REVISION",
    "TARGET",
    "Service",
    "base",
    "name_of",
    "named",
    "of_target",
    "tag",
    "tagged",
    "trouble",
]

TARGET, REVISION, REPLICAS, STABLE, BASE, DELEGATED = (
    f"fairdeploy:{name}" for name in ("target", "revision", "replicas", "stable", "base", "delegated")
)
_BATCH = 10
"""Services that DescribeServices takes at once (API reference)."""
_PAGE = 100
"""Most that ListServices answers at once (API reference)."""
_TROUBLE = ("unable to", "is unhealthy", "failed")
"""Words of the events that tell of it (ECS developer guide, "Service event messages")."""
_TOKEN = ("nextToken", "nextToken")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service, as AWS describes it.

    Args:
        raw: The whole description.
        tags: What is written on it.
    """

    raw: Answer
    tags: dict[str, str]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.raw["serviceName"])

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self.raw["serviceArn"])

    @property
    def revision(self) -> RevisionId:
        """Whose it is."""
        return self.tags.get(REVISION, "")

    @property
    def desired(self) -> int:
        """How many tasks ECS keeps."""
        return int(self.raw.get("desiredCount", 0))

    @property
    def replicas(self) -> int:
        """How many instances were asked for last; an adopted service says it by its desired count."""
        found = self.tags.get(REPLICAS, "")
        return int(found) if found.isdecimal() else self.desired

    @property
    def mark(self) -> int:
        """The number of its promotion, 0 if it never was."""
        found = self.tags.get(STABLE, "")
        return int(found) if found.isdecimal() else 0

    @property
    def definition(self) -> str:
        """ARN of its task definition."""
        return str(self.raw["taskDefinition"])

    @property
    def group(self) -> str | None:
        """ARN of the target group that its tasks are registered in."""
        return next((str(each["targetGroupArn"]) for each in self.raw.get("loadBalancers", [])), None)


def name_of(place: Place, target: TargetId, revision: RevisionId) -> str:
    """Return what the service of a revision is called: the same in every program, so that making it twice makes one."""
    mark = sha256(f"{target}\0{revision}".encode()).hexdigest()[:12]
    return f"{place.service[:240]}--{mark}"


async def base(aws: AWS, place: Place) -> Service:
    """Return the adopted service.

    Raises:
        BackendError: If there is no such service or cluster, or it is no rolling one.
    """
    found = await _described(aws, place, [place.service])
    if not found:
        error = BackendError(
            f"there is no active service {place.service!r} in cluster {place.cluster!r} of {place.region!r}: "
            "make it first (AWSDeployment does), or see whether region and names are meant"
        )
        error.retryable = False
        raise error
    return found[0]


async def of_target(aws: AWS, place: Place, target: TargetId) -> list[Service]:
    """Return the active services of a target, oldest first.

    Raises:
        BackendError: If they cannot be listed.
    """
    arns = await aws.pages(
        "ecs", "list_services", "serviceArns", token=_TOKEN, cluster=place.cluster, maxResults=_PAGE
    )
    names = [str(arn).rpartition("/")[2] for arn in arns]
    mine = [name for name in names if name == place.service or name.startswith(f"{place.service[:240]}--")]
    if place.service not in mine:
        mine.append(place.service)  # a list may lag behind what a look by name knows
    found = [each for each in await _described(aws, place, mine) if each.tags.get(TARGET) == target]
    return sorted(found, key=lambda each: (str(each.raw.get("createdAt", "")), each.name))


async def named(aws: AWS, place: Place, name: str) -> Service | None:
    """Return one service by its name, or ``None``: a look by name sees what a list may not see yet.

    Raises:
        BackendError: If it cannot be asked for.
    """
    found = await _described(aws, place, [name])
    return found[0] if found else None


async def _described(aws: AWS, place: Place, names: Sequence[str]) -> list[Service]:
    found: list[Service] = []
    for first in range(0, len(names), _BATCH):
        try:
            answer = await aws.call(
                "ecs",
                "describe_services",
                cluster=place.cluster,
                services=list(names[first : first + _BATCH]),
                include=["TAGS"],
            )
        except BackendError as error:
            if code_of(error) == "ClusterNotFoundException":
                raise _final(
                    f"there is no cluster {place.cluster!r} in {place.region!r}: see region and name"
                ) from error
            raise
        found += [
            Service(raw=raw, tags=tagged(raw.get("tags", [])))
            for raw in answer["services"]
            if raw["status"] == "ACTIVE"
        ]
    return found


def tagged(tags: Sequence[Answer]) -> dict[str, str]:
    """Return ECS's tags as a mapping."""
    return {str(tag["key"]): str(tag.get("value", "")) for tag in tags}


async def tag(aws: AWS, arn: str, **tags: str) -> None:
    """Write tags of ours on a resource of ECS; names are without their prefix.

    Raises:
        BackendError: If they cannot be written.
    """
    await aws.call(
        "ecs",
        "tag_resource",
        resourceArn=arn,
        tags=[{"key": f"fairdeploy:{name}", "value": value} for name, value in tags.items()],
    )


def _final(message: str) -> BackendError:
    error = BackendError(message)
    error.retryable = False
    return error


def trouble(raw: Answer) -> str:
    """Return what ECS last said that keeps a service's tasks from being placed or healthy; empty if it said nothing."""
    since = max((str(each.get("createdAt", "")) for each in raw.get("deployments", [])), default="")
    said = (str(each["message"]) for each in raw.get("events", []) if str(each.get("createdAt", "")) >= since)
    return next((each for each in said if any(word in each for word in _TROUBLE)), "")

"""The service deployment that ECS has under way, or had last: what carries a rollout, by its own name for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs.place import Place

__all__ = ["GOING", "RETURNING", "Going"]

GOING: Final = frozenset({"PENDING", "IN_PROGRESS"})
RETURNING: Final = frozenset({"STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
_TOKEN: Final = ("nextToken", "nextToken")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """One service deployment.

    Args:
        arn: Its ARN.
        status: ECS's word, such as ``IN_PROGRESS``.
        reason: Why it is that.
        stage: How far it has come, such as ``BAKE_TIME``.
        definition: ARN of the task definition that it brings.
    """

    arn: str
    status: str
    reason: str
    stage: str
    definition: str

    @property
    def failed(self) -> bool:
        """Whether it will not come about."""
        return self.status not in GOING | {"SUCCESSFUL"}

    @classmethod
    async def newest(cls, aws: AWS, place: Place) -> Going | None:
        """Return the newest of a service, or ``None`` if ECS tells of none.

        Raises:
            BackendError: If it cannot be asked.
        """
        listed = await aws.pages(
            "ecs",
            "list_service_deployments",
            "serviceDeployments",
            token=_TOKEN,
            cluster=place.cluster,
            service=place.service,
        )
        if not listed:
            return None
        arn = str(max(listed, key=lambda each: str(each.get("createdAt", "")))["serviceDeploymentArn"])
        answer = await aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=[arn])
        (found,) = answer["serviceDeployments"]
        return cls(
            arn=arn,
            status=str(found["status"]),
            reason=str(found.get("statusReason", "")),
            stage=str(found.get("lifecycleStage", "")),
            definition=await _definition(aws, found),
        )

    async def stop(self, aws: AWS) -> None:
        """Have it rolled back; it needs no rollback to be configured.

        Raises:
            BackendError: If AWS refuses.
        """
        await aws.call("ecs", "stop_service_deployment", serviceDeploymentArn=self.arn, stopType="ROLLBACK")


async def _definition(aws: AWS, found: Answer) -> str:
    arn = found["targetServiceRevision"]["arn"]
    answer = await aws.call("ecs", "describe_service_revisions", serviceRevisionArns=[arn])
    return str(answer["serviceRevisions"][0]["taskDefinition"])

"""A service on AWS with a database, from nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, final

from fairdeploy.aws import AWS
from fairdeploy.errors import InvalidInput
from fairdeploy.patterns import estimate_cost
from fairdeploy.provision.aws.config import AWSConfig
from fairdeploy.provision.aws.stack import Stack
from fairdeploy.provision.aws.template import template

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from fairdeploy.provision.aws.stack import Drift, StackPlan

__all__ = ["AWSDeployment"]

_MOVED = frozenset({"Service", "Listener", "Tasks", "Blue", "Green", "Scaling"})
"""What `ECSBackend` moves once it has adopted the service."""
_POLICIES = (("cpu", "ECSServiceAverageCPUUtilization"), ("memory", "ECSServiceAverageMemoryUtilization"))


@final
class AWSDeployment:
    """Makes the ground for a service: network, database, cluster, load balancer, auto scaling, logs and roles.

    All of it is one CloudFormation stack, named as the cluster. Releases are not its business: they come by
    `fairdeploy.backends.ecs.ECSBackend`, which adopts the service that the stack begins with.

    Open it with `AWSDeployment.open`, on asyncio.
    """

    def __init__(self, aws: AWS, *, poll: float = 3.0) -> None:
        self._aws = aws
        self._poll = poll

    @classmethod
    @asynccontextmanager
    async def open(
        cls, region: str, *, endpoint: str | None = None, poll: float = 3.0
    ) -> AsyncGenerator[AWSDeployment]:
        """Open a region.

        Args:
            region: Such as ``"eu-central-1"``.
            endpoint: Another address for every service, for an emulator.
            poll: Seconds between two looks.

        Yields:
            The deployment.

        Raises:
            InvalidInput: If there is no such region.
        """
        async with AWS.open(region, endpoint=endpoint) as aws:
            yield cls(aws, poll=poll)

    async def plan(self, config: AWSConfig | Mapping[str, object]) -> StackPlan:
        """Return what `deploy_infrastructure` would do, and what it costs in a year. Changes nothing.

        Args:
            config: As `AWSConfig`, or a mapping of its fields.

        Raises:
            InvalidInput: If the config cannot be.
            StartError: If CloudFormation cannot carry it out.
            BackendError: If AWS cannot be asked.
        """
        read = self._read(config)
        planned = await self._stack(read).plan(template(read))
        cost = estimate_cost("public_cloud", years=1, data_gb=read.db_storage_gb, servers=read.instance_count)
        return replace(planned, cost=cost, notes=_notes(read, planned))

    async def deploy_infrastructure(
        self, config: AWSConfig | Mapping[str, object], *, plan: StackPlan | None = None
    ) -> dict[str, str]:
        """Make or change the stack, and wait until it stands.

        Args:
            config: As in `plan`.
            plan: One that was looked at; ``None``: it is planned and carried out at once.

        Returns:
            ``Vpc``, ``Database``, ``DatabaseSecret``, ``Cluster``, ``Service``, ``Address`` and ``Listener``.

        Raises:
            InvalidInput: If the config cannot be, or the plan is another stack's.
            StalePlan: If the stack has changed since.
            StartError: If it failed and was rolled back; the last words say why.
            DeadlineExceeded: If it has not ended within an hour.
            BackendError: If AWS cannot be asked.
        """
        read = self._read(config)
        if plan is not None and plan.stack != read.cluster_name:
            msg = f"the plan is of stack {plan.stack!r}, not of {read.cluster_name!r}"
            raise InvalidInput(msg)
        return await self._stack(read).execute(plan or await self.plan(read))

    async def setup_auto_scaling(
        self,
        service: str,
        *,
        cluster: str | None = None,
        min_capacity: int = 2,
        max_capacity: int = 20,
        target_cpu: int = 70,
        target_memory: int = 80,
    ) -> tuple[str, ...]:
        """Have a service scaled by CPU and memory: one that a stack of ours did not make. Again changes nothing.

        Args:
            service: Its name.
            cluster: Its cluster; ``None``: named as the service.
            min_capacity: Fewest tasks.
            max_capacity: Most tasks.
            target_cpu: Percent of CPU to hold.
            target_memory: Percent of memory to hold.

        Returns:
            ARNs of the policies.

        Raises:
            InvalidInput: If the numbers cannot be.
            BackendError: If AWS refuses.
        """
        if not 0 <= min_capacity <= max_capacity or not all(
            10 <= each <= 95 for each in (target_cpu, target_memory)
        ):
            msg = f"scaling needs 0 <= min <= max and targets of 10 to 95 %, not {min_capacity} to {max_capacity} at {target_cpu} % and {target_memory} %"
            raise InvalidInput(msg)
        common = {
            "ServiceNamespace": "ecs",
            "ResourceId": f"service/{cluster or service}/{service}",
            "ScalableDimension": "ecs:service:DesiredCount",
        }
        await self._aws.call(
            "application-autoscaling",
            "register_scalable_target",
            MinCapacity=min_capacity,
            MaxCapacity=max_capacity,
            **common,
        )
        made: list[str] = []
        for (what, metric), value in zip(_POLICIES, (target_cpu, target_memory), strict=True):
            tracking = {
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
                "TargetValue": float(value),
            }
            answer = await self._aws.call(
                "application-autoscaling",
                "put_scaling_policy",
                PolicyName=f"{service}-{what}",
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=tracking,
                **common,
            )
            made.append(str(answer["PolicyARN"]))
        return tuple(made)

    async def drift(self, cluster_name: str) -> tuple[Drift, ...]:
        """Return what is not as the stack's template says. What `ECSBackend` has moved is among it.

        Raises:
            StartError: If CloudFormation cannot tell.
            BackendError: If AWS cannot be asked.
        """
        return await Stack(self._aws, cluster_name, poll=self._poll).drift()

    async def remove(self, cluster_name: str) -> None:
        """Remove the stack. The database stays, with its password, its key and the logs: remove those by hand.

        Services that `ECSBackend` made stand beside the stack's: retire them first, or the cluster cannot go.

        Raises:
            StartError: If something cannot be deleted.
            BackendError: If AWS cannot be asked.
        """
        await Stack(self._aws, cluster_name, poll=self._poll).remove()

    def _read(self, config: AWSConfig | Mapping[str, object]) -> AWSConfig:
        read = AWSConfig.read(config)
        if read.region != self._aws.region:
            msg = f"the config is for {read.region!r}, and this is open in {self._aws.region!r}"
            raise InvalidInput(msg)
        return read

    def _stack(self, config: AWSConfig) -> Stack:
        tags = {"fairdeploy:stack": config.cluster_name, **config.tags}
        return Stack(self._aws, config.cluster_name, tags=tags, poll=self._poll)


def _notes(config: AWSConfig, plan: StackPlan) -> tuple[str, ...]:
    notes = []
    moved = sorted(each.logical for each in plan.changes if each.logical in _MOVED and each.action != "Add")
    if moved:
        notes.append(
            f"{', '.join(moved)}: what ECSBackend has deployed since would be set back to the stack's first image and weights"
        )
    replaced = [each.logical for each in plan.changes if each.replaces == "True"]
    if replaced:
        notes.append(f"replaced by new ones: {', '.join(replaced)}")
    if "HIPAA" in config.compliance:
        notes.append("HIPAA: accept the business associate addendum in AWS Artifact; no template can do that")
    if "GDPR" in config.compliance:
        notes.append(
            "GDPR: the data processing addendum is part of AWS's terms; see that yours names the institution"
        )
    return tuple(notes)

"""The least that a role may do to deploy here, as IAM policies with ARNs and conditions."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Policy", "Statement", "Strategy", "deploying", "provisioning"]

_ACCOUNT = re.compile(r"\d{12}")
Strategy: TypeAlias = Literal["rolling", "recreate", "blue_green", "canary", "native"]
_DRIVEN = frozenset({"rolling", "recreate", "blue_green", "canary"})
_BALANCED = frozenset({"blue_green", "canary"})


@final
@dataclass(frozen=True, slots=True)
class Statement:
    """What may be done, on what.

    Args:
        sid: What it is for.
        actions: Such as ``"ecs:CreateService"``.
        resources: ARNs; ``"*"`` where the action takes none.
        conditions: Of IAM.
    """

    sid: str
    _: KW_ONLY
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, str], ...] = ()

    def document(self) -> dict[str, Any]:  # any JSON
        """Return it as IAM writes it."""
        made: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        for operator, key, value in self.conditions:
            made.setdefault("Condition", {}).setdefault(operator, {})[key] = value
        return made


@final
@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of IAM.

    Args:
        statements: Its statements.
    """

    statements: tuple[Statement, ...]

    @property
    def actions(self) -> frozenset[str]:
        """Every action in it."""
        return frozenset(action for each in self.statements for action in each.actions)

    def document(self) -> dict[str, Any]:  # any JSON
        """Return it as IAM takes it."""
        return {"Version": "2012-10-17", "Statement": [each.document() for each in self.statements]}


def deploying(
    strategy: Strategy,
    *,
    account: str,
    region: str,
    cluster: str,
    service: str,
    roles: Sequence[str],
    partition: str = "aws",
    scaling: bool = True,
    jobs: bool = False,
) -> Policy:
    """Return what `ECSBackend` needs for a strategy, and no more.

    Args:
        strategy: Which; ``"native"`` for deployments that ECS carries out.
        account: Twelve digits.
        region: Such as ``"eu-central-1"``.
        cluster: The cluster's name.
        service: The adopted service's name; the services beside it are called like it.
        roles: ARNs of the task and execution roles that its task definition names.
        partition: Of AWS.
        scaling: Whether auto scaling is looked after.
        jobs: Whether jobs are run.

    Raises:
        InvalidInput: If the strategy is unknown or the account is none.
    """
    if strategy not in _DRIVEN | {"native"}:
        msg = f"strategy {strategy!r} is not known: choose from {sorted(_DRIVEN | {'native'})!r}"
        raise InvalidInput(msg)
    if not _ACCOUNT.fullmatch(account):
        msg = f"account {account!r} must be twelve digits"
        raise InvalidInput(msg)
    ecs = f"arn:{partition}:ecs:{region}:{account}"
    services = (f"{ecs}:service/{cluster}/{service}", f"{ecs}:service/{cluster}/{service}--*")
    found = [
        Statement("Look", actions=("ecs:DescribeServices",), resources=services),
        Statement("Definitions", actions=("ecs:DescribeTaskDefinition",), resources=("*",)),
        Statement("PassRoles", actions=("iam:PassRole",), resources=tuple(roles), conditions=_PASSED),
    ]
    if strategy == "native":
        return Policy((*found, *_native(ecs, cluster, service, scaling=scaling, jobs=jobs)))
    found += [*_driven(ecs, services, cluster), *_told(ecs)]
    if jobs:
        found.append(_jobs(ecs, cluster))
    if scaling:
        found.append(Statement("Scaling", actions=_SCALING, resources=("*",), conditions=_SCALED))
    if strategy in _BALANCED:
        found += _balanced(
            f"arn:{partition}:elasticloadbalancing:{region}:{account}", canary=strategy == "canary"
        )
    return Policy(tuple(found))


def _driven(ecs: str, services: tuple[str, ...], cluster: str) -> list[Statement]:
    """Return what services beside the adopted one need, whatever the strategy."""
    here = _within(ecs, cluster)
    tasks = (f"{ecs}:task/{cluster}/*", f"{ecs}:container-instance/{cluster}/*")
    return [
        Statement("List", actions=("ecs:ListServices",), resources=("*",), conditions=here),
        Statement("Tasks", actions=("ecs:ListTasks",), resources=("*",), conditions=here),
        Statement(
            "Services",
            actions=("ecs:CreateService", "ecs:UpdateService", "ecs:DeleteService"),
            resources=services,
        ),
        Statement(
            "Marks",
            actions=("ecs:TagResource", "ecs:UntagResource"),
            resources=(*services, *tasks, f"{ecs}:task-definition/*"),
        ),
        Statement(
            "Register", actions=("ecs:RegisterTaskDefinition",), resources=(f"{ecs}:task-definition/*",)
        ),
        Statement(
            "Instances",
            actions=("ecs:DescribeTasks", "ecs:StopTask", "ecs:UpdateTaskProtection"),
            resources=tasks,
        ),
    ]


def _native(ecs: str, cluster: str, service: str, *, scaling: bool, jobs: bool) -> list[Statement]:
    """Return what one service needs that ECS itself rolls out: it makes, stops and deletes no other."""
    one, here = f"{ecs}:service/{cluster}/{service}", _within(ecs, cluster)
    parts = tuple(f"{ecs}:service-{what}/{cluster}/{service}/*" for what in ("deployment", "revision"))
    definitions = (f"{ecs}:task-definition/*",)
    found = [
        Statement("Native", actions=("ecs:UpdateService", "ecs:ListServiceDeployments"), resources=(one,)),
        Statement("Carried", actions=_CARRIED, resources=(one, *parts)),
        Statement("Marks", actions=("ecs:TagResource",), resources=(one, *definitions)),
        Statement("Register", actions=("ecs:RegisterTaskDefinition",), resources=definitions),
        Statement("Tasks", actions=("ecs:ListTasks",), resources=("*",), conditions=here),
        Statement("Instances", actions=("ecs:DescribeTasks",), resources=(f"{ecs}:task/{cluster}/*",)),
        *_told(ecs),
    ]
    if jobs:
        found.append(_jobs(ecs, cluster))
    if scaling:
        found.append(Statement("Scaling", actions=_SCALING[:1], resources=("*",), conditions=_SCALED))
    return found


def _jobs(ecs: str, cluster: str) -> Statement:
    return Statement(
        "Jobs",
        actions=("ecs:RunTask",),
        resources=(f"{ecs}:task-definition/*",),
        conditions=_within(ecs, cluster),
    )


def _told(ecs: str) -> list[Statement]:
    """Return what is looked at and never changed: last words, digests, alarms."""
    logs, images = ecs.replace(":ecs:", ":logs:"), ecs.replace(":ecs:", ":ecr:")
    return [
        Statement("Words", actions=("logs:GetLogEvents",), resources=(f"{logs}:log-group:*",)),
        Statement("Digests", actions=("ecr:DescribeImages",), resources=(f"{images}:repository/*",)),
        Statement("Alarms", actions=("cloudwatch:DescribeAlarms",), resources=("*",)),
    ]


def _within(ecs: str, cluster: str) -> tuple[tuple[str, str, str], ...]:
    return (("ArnEquals", "ecs:cluster", f"{ecs}:cluster/{cluster}"),)


_PASSED = (("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),)
_SCALED = (("StringEquals", "application-autoscaling:service-namespace", "ecs"),)
_SCALING = (
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:PutScalingPolicy",
)
_CARRIED = (
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:StopServiceDeployment",
)
_LOOK = (
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTags",
)


def _balanced(arn: str, *, canary: bool) -> list[Statement]:
    listeners = (f"{arn}:listener/app/*", f"{arn}:listener-rule/app/*")
    tagged = (*listeners, f"{arn}:targetgroup/*")
    found = [
        Statement("Balancer", actions=_LOOK, resources=("*",)),  # Describe actions take no resource
        Statement(
            "Weights",
            actions=(
                "elasticloadbalancing:ModifyListener",
                "elasticloadbalancing:ModifyRule",
                "elasticloadbalancing:CreateRule",
                "elasticloadbalancing:DeleteRule",
            ),
            resources=listeners,
        ),
        Statement(
            "RoutingMarks",
            actions=("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"),
            resources=tagged,
        ),
    ]
    if canary:
        found.append(Statement("Metrics", actions=("cloudwatch:GetMetricData",), resources=("*",)))
    return found


def provisioning(*, account: str, region: str, cluster: str, partition: str = "aws") -> Policy:
    """Return what `AWSDeployment` needs: CloudFormation on one stack, and what that makes, by it only.

    The rights to make things count only for requests that come by way of CloudFormation
    (``aws:CalledVia``), and roles only below the stack's name.

    Args:
        account: Twelve digits.
        region: Where.
        cluster: The cluster's name, which is the stack's.
        partition: Of AWS.

    Raises:
        InvalidInput: If the account is none.
    """
    if not _ACCOUNT.fullmatch(account):
        msg = f"account {account!r} must be twelve digits"
        raise InvalidInput(msg)
    stack = f"arn:{partition}:cloudformation:{region}:{account}:stack/{cluster}/*"
    by_stack = (
        ("ForAnyValue:StringEquals", "aws:CalledVia", "cloudformation.amazonaws.com"),
        ("StringEquals", "aws:RequestedRegion", region),
    )
    service_roles = (f"arn:{partition}:iam::{account}:role/{cluster}-*",)
    return Policy(
        (
            Statement("Stack", actions=_STACK, resources=(stack,)),
            Statement(
                "DriftStatus", actions=("cloudformation:DescribeStackDriftDetectionStatus",), resources=("*",)
            ),
            Statement("Parts", actions=_PARTS, resources=("*",), conditions=by_stack),
            Statement("Roles", actions=_ROLES, resources=service_roles, conditions=by_stack[:1]),
            Statement("Scaling", actions=_SCALING[2:] + _SCALING[:2], resources=("*",), conditions=_SCALED),
        )
    )


_STACK = tuple(
    f"cloudformation:{name}"
    for name in (
        "CreateChangeSet",
        "DescribeChangeSet",
        "ExecuteChangeSet",
        "DeleteChangeSet",
        "DescribeStacks",
        "DescribeStackEvents",
        "DeleteStack",
        "DetectStackDrift",
        "DetectStackResourceDrift",
        "DescribeStackResourceDrifts",
    )
)
_PARTS = (
    "ec2:*Vpc*",
    "ec2:*Subnet*",
    "ec2:*Route*",
    "ec2:*InternetGateway*",
    "ec2:*NatGateway*",
    "ec2:*Address*",
    "ec2:*SecurityGroup*",
    "ec2:*FlowLogs",
    "ec2:*Tags",
    "ec2:DescribeAvailabilityZones",
    "ecs:*Cluster*",
    "ecs:*Service",
    "ecs:DescribeServices",
    "ecs:*TaskDefinition",
    "ecs:*TagResource",
    "elasticloadbalancing:*",
    "kms:CreateKey",
    "kms:DescribeKey",
    "kms:EnableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:TagResource",
    "kms:CreateGrant",
    "logs:*LogGroup*",
    "logs:*RetentionPolicy",
    "logs:TagResource",
    "rds:*DBInstance*",
    "rds:*DBSubnetGroup*",
    "rds:*DBParameter*",
    "rds:AddTagsToResource",
    "secretsmanager:CreateSecret",
    "secretsmanager:TagResource",
)
_ROLES = (
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:GetRole",
    "iam:PutRolePolicy",
    "iam:GetRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:TagRole",
    "iam:PassRole",
)

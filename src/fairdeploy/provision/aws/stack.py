"""A CloudFormation stack: a change set is its plan; what was not planned is not carried out."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, final

import anyio

from fairdeploy.aws import code_of
from fairdeploy.errors import BackendError, DeadlineExceeded, StalePlan, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.patterns import CostEstimate

__all__ = ["Change", "Drift", "Stack", "StackPlan"]

_PAGE = ("NextToken", "NextToken")
_NOTHING = ("didn't contain changes", "no changes", "no updates")
_REVIEW = "REVIEW_IN_PROGRESS"
"""Of a stack that only has a change set: it holds nothing yet."""
_POLL = 3.0


@final
@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a plan does.

    Args:
        logical: Its name in the template.
        kind: Such as ``"AWS::RDS::DBInstance"``.
        action: What is done.
        replaces: Whether the old one goes for a new one: ``"True"``, ``"False"`` or ``"Conditional"``, as AWS says.
    """

    logical: str
    _: KW_ONLY
    kind: str
    action: Literal["Add", "Modify", "Remove", "Import", "Dynamic"]
    replaces: str = ""

    def __str__(self) -> str:
        """Return it in one line."""
        more = " (is replaced)" if self.replaces == "True" else ""
        return f"{self.action.lower()} {self.logical} {self.kind}{more}"


@final
@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as its template says.

    Args:
        logical: Its name in the template.
        kind: Such as ``"AWS::ECS::Service"``.
        status: ``MODIFIED`` or ``DELETED``.
        differences: What differs: where, what was expected, and what is.
    """

    logical: str
    _: KW_ONLY
    kind: str
    status: str
    differences: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class StackPlan:
    """What a change set would do.

    Args:
        stack: The stack's name.
        change_set: ARN of the change set; empty if there is nothing to do.
        changes: What it does.
        notes: What somebody should read before.
        cost: What it comes to in a year, where that is known.
    """

    stack: str
    _: KW_ONLY
    change_set: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    cost: CostEstimate | None = None

    def __str__(self) -> str:
        """Return it as people read it."""
        lines = [f"stack {self.stack}: {len(self.changes)} changes", *(f"  {each}" for each in self.changes)]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, *((f"  cost: {self.cost}",) if self.cost else ())])


@final
class Stack:
    """One stack of CloudFormation.

    Args:
        aws: The region.
        name: Of the stack.
        tags: On everything in it.
        poll: Seconds between two looks.
    """

    def __init__(
        self, aws: AWS, name: str, *, tags: Mapping[str, str] | None = None, poll: float = _POLL
    ) -> None:
        self._aws = aws
        self._name = name
        self._tags = [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]
        self._poll = poll

    async def state(self) -> Answer | None:
        """Return the stack as AWS describes it, or ``None``.

        Raises:
            BackendError: If AWS cannot be asked.
        """
        try:
            answer = await self._aws.call("cloudformation", "describe_stacks", StackName=self._name)
        except BackendError as error:
            if code_of(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        found: Answer = answer["Stacks"][0]
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    async def plan(self, template: Mapping[str, object], *, deadline: float = 300.0) -> StackPlan:
        """Make a change set, and return what it would do. Nothing is changed.

        Args:
            template: The whole template.
            deadline: Seconds that CloudFormation may take.

        Raises:
            StartError: If CloudFormation cannot carry the template out.
            DeadlineExceeded: If it does not answer in time.
            BackendError: If AWS cannot be asked.
        """
        body = json.dumps(template, sort_keys=True)
        there = await self.state()
        fresh = there is None or there["StackStatus"] == _REVIEW
        name = f"fairdeploy-{sha256(body.encode()).hexdigest()[:12]}-{int(anyio.current_time() * 1000)}"
        made = await self._aws.call(
            "cloudformation",
            "create_change_set",
            StackName=self._name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if fresh else "UPDATE",
            TemplateBody=body,
            Capabilities=["CAPABILITY_IAM"],
            Tags=self._tags,
        )
        with anyio.move_on_after(deadline):
            while True:
                found = await self._aws.call(
                    "cloudformation", "describe_change_set", ChangeSetName=made["Id"], StackName=self._name
                )
                if found["Status"] == "FAILED":
                    return await self._without(made["Id"], str(found.get("StatusReason", "")))
                if found["Status"] == "CREATE_COMPLETE":
                    return StackPlan(
                        self._name, change_set=made["Id"], changes=await self._changes(made["Id"])
                    )
                await anyio.sleep(self._poll)
        raise DeadlineExceeded(
            f"change set {name!r} of stack {self._name!r} was not made within {deadline:g} s"
        )

    async def _without(self, change_set: str, reason: str) -> StackPlan:
        await self._aws.call(
            "cloudformation", "delete_change_set", ChangeSetName=change_set, StackName=self._name
        )
        if any(words in reason.lower() for words in _NOTHING):
            return StackPlan(self._name, change_set="")
        raise StartError(f"CloudFormation cannot carry out the template of {self._name!r}: {reason}")

    async def _changes(self, change_set: str) -> tuple[Change, ...]:
        found = await self._aws.pages(
            "cloudformation",
            "describe_change_set",
            "Changes",
            token=_PAGE,
            ChangeSetName=change_set,
            StackName=self._name,
        )
        return tuple(
            Change(
                str(each["LogicalResourceId"]),
                kind=str(each["ResourceType"]),
                action=each["Action"],
                replaces=str(each.get("Replacement", "")),
            )
            for each in (raw["ResourceChange"] for raw in found)
        )

    async def execute(self, plan: StackPlan, *, deadline: float = 3_600.0) -> dict[str, str]:
        """Carry a plan out, wait until that has ended, and return the stack's outputs.

        What fails is rolled back by CloudFormation: to what was there before, or to nothing.

        Args:
            plan: Of this stack, and not of a state that has passed.
            deadline: Seconds that it may take: a database over two zones alone takes some 20 minutes.

        Raises:
            StalePlan: If the stack has changed since the plan was made.
            StartError: If it failed; the last words are what CloudFormation said of each resource.
            DeadlineExceeded: If it has not ended in time; it goes on.
            BackendError: If AWS cannot be asked.
        """
        if plan.change_set:
            try:
                await self._aws.call(
                    "cloudformation",
                    "execute_change_set",
                    ChangeSetName=plan.change_set,
                    StackName=self._name,
                )
            except BackendError as error:
                if code_of(error) in {
                    "InvalidChangeSetStatus",
                    "ChangeSetNotFound",
                    "ChangeSetNotFoundException",
                }:
                    raise StalePlan(
                        f"the plan of stack {self._name!r} has passed ({code_of(error)}): plan again"
                    ) from error
                raise
        found = await self._ended(deadline)
        return {str(each["OutputKey"]): str(each["OutputValue"]) for each in (found or {}).get("Outputs", [])}

    async def _ended(self, deadline: float) -> Answer | None:
        status = ""
        with anyio.move_on_after(deadline):
            while True:
                found = await self.state()
                status = "DELETE_COMPLETE" if found is None else str(found["StackStatus"])
                if not status.endswith("_IN_PROGRESS") or status == _REVIEW:
                    break
                await anyio.sleep(self._poll)
            if "ROLLBACK" in status or status.endswith("_FAILED"):
                raise StartError(f"stack {self._name!r} ended as {status}", await self._reasons())
            return found
        raise DeadlineExceeded(
            f"stack {self._name!r} is {status} after {deadline:g} s: it goes on, look again"
        )

    async def _reasons(self) -> tuple[str, ...]:
        events = await self._aws.pages(
            "cloudformation", "describe_stack_events", "StackEvents", token=_PAGE, StackName=self._name
        )
        failed = [each for each in events if str(each.get("ResourceStatus", "")).endswith("_FAILED")]
        return tuple(
            f"{each['LogicalResourceId']} ({each.get('ResourceType', '')}): {each.get('ResourceStatusReason', '')}"
            for each in reversed(failed)
        )

    async def drift(self, *, deadline: float = 600.0) -> tuple[Drift, ...]:
        """Return what is not as the template says: changed by hand, or by deployments since.

        Raises:
            StartError: If CloudFormation cannot tell.
            DeadlineExceeded: If it does not answer in time.
            BackendError: If AWS cannot be asked.
        """
        began = await self._aws.call("cloudformation", "detect_stack_drift", StackName=self._name)
        with anyio.move_on_after(deadline):
            while True:
                found = await self._aws.call(
                    "cloudformation",
                    "describe_stack_drift_detection_status",
                    StackDriftDetectionId=began["StackDriftDetectionId"],
                )
                if found["DetectionStatus"] == "DETECTION_FAILED":
                    reason = found.get("DetectionStatusReason", "")
                    raise StartError(f"CloudFormation cannot tell the drift of {self._name!r}: {reason}")
                if found["DetectionStatus"] == "DETECTION_COMPLETE":
                    return await self._drifted()
                await anyio.sleep(self._poll)
        raise DeadlineExceeded(f"the drift of stack {self._name!r} was not known within {deadline:g} s")

    async def _drifted(self) -> tuple[Drift, ...]:
        found = await self._aws.pages(
            "cloudformation",
            "describe_stack_resource_drifts",
            "StackResourceDrifts",
            token=_PAGE,
            StackName=self._name,
            StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
        )
        return tuple(
            Drift(
                str(each["LogicalResourceId"]),
                kind=str(each["ResourceType"]),
                status=str(each["StackResourceDriftStatus"]),
                differences=tuple(
                    f"{one['PropertyPath']}: {one.get('ExpectedValue')} expected, {one.get('ActualValue')} found"
                    for one in each.get("PropertyDifferences", [])
                ),
            )
            for each in found
        )

    async def remove(self, *, deadline: float = 3_600.0) -> None:
        """Delete the stack, and wait. What its template retains stays: the database, its key and the logs.

        Raises:
            StartError: If something cannot be deleted.
            DeadlineExceeded: If it has not ended in time.
            BackendError: If AWS cannot be asked.
        """
        if await self.state() is None:
            return
        await self._aws.call("cloudformation", "delete_stack", StackName=self._name)
        await self._ended(deadline)

"""Where a load balancer splits the traffic of a service, and between which target groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.errors import Refused

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer

__all__ = ["Slots", "discover", "forwarded"]

_RULES = ("NextMarker", "Marker")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """A listener or rule, and the target groups that revisions take in turn.

    Args:
        listener: ARN of the listener.
        rule: ARN of its rule; ``None``: the listener's default action.
        groups: ARNs of the target groups, two or more.
    """

    listener: str
    rule: str | None
    groups: tuple[str, ...]

    @property
    def arn(self) -> str:
        """What carries our tags."""
        return self.rule or self.listener


def forwarded(actions: list[Answer]) -> dict[str, int]:
    """Return the target groups that actions forward to, with their weights."""
    for action in actions:
        if action.get("Type") == "forward":
            groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
            if groups:
                return {str(each["TargetGroupArn"]): int(each.get("Weight", 1)) for each in groups}
            if "TargetGroupArn" in action:
                return {str(action["TargetGroupArn"]): 1}
    return {}


async def discover(aws: AWS, group: str, *, rule: str | None = None, spare: str | None = None) -> Slots:
    """Find the one listener or rule that forwards to a target group, and the groups beside it.

    Args:
        aws: The region.
        group: ARN of the adopted service's target group.
        rule: ARN of the listener or rule, where there are several.
        spare: ARN of the other target group, where the rule names one only.

    Raises:
        Refused: If there is none, several, no second group, or one that another load balancer has.
        RouterError: If AWS cannot be asked.
    """
    described = (await aws.call("elbv2", "describe_target_groups", TargetGroupArns=[group]))["TargetGroups"][
        0
    ]
    balancers = [str(arn) for arn in described.get("LoadBalancerArns", [])]
    if len(balancers) > 1:
        msg = f"target group {group!r} is attached to {len(balancers)} load balancers: give each service a group of its own"
        raise Refused(msg)
    found = [each for balancer in balancers for each in await _forwarding(aws, balancer, group)]
    if rule is not None:
        found = [each for each in found if rule in {each.rule, each.rule or each.listener}]
    if len(found) != 1:
        which = [each.arn for each in found]
        msg = (
            f"{len(found)} listeners or rules forward to target group {group!r}{f': {which}' if which else ''}; "
            "name the one to be used by rule=..."
            if found
            else f"no listener or rule forwards to target group {group!r}: attach it, or take the load balancer out of the service"
        )
        raise Refused(msg)
    groups = tuple(dict.fromkeys((*found[0].groups, *((spare,) if spare else ()))))
    if len(groups) < 2:  # a revision each
        msg = f"{found[0].arn!r} forwards to {group!r} only: name a second target group in it with weight 0, or by spare=..."
        raise Refused(msg)
    for other in (each for each in groups if each != group):
        await _refuse_foreign(aws, other, balancers, described)
    return Slots(listener=found[0].listener, rule=found[0].rule, groups=groups)


async def _refuse_foreign(aws: AWS, other: str, balancers: list[str], like: Answer) -> None:
    found = (await aws.call("elbv2", "describe_target_groups", TargetGroupArns=[other]))["TargetGroups"][0]
    elsewhere = sorted(set(found.get("LoadBalancerArns", [])) - set(balancers))
    if elsewhere:
        msg = f"target group {other!r} is attached elsewhere, to {elsewhere[0]!r}: give one that nobody else has"
        raise Refused(msg)
    for what in ("VpcId", "TargetType", "Protocol"):
        if found.get(what) != like.get(what):
            msg = (
                f"target groups differ in {what}: {found.get(what)!r} and {like.get(what)!r}; make them alike"
            )
            raise Refused(msg)


async def _forwarding(aws: AWS, balancer: str, group: str) -> list[Slots]:
    listeners = await aws.pages(
        "elbv2", "describe_listeners", "Listeners", token=_RULES, LoadBalancerArn=balancer
    )
    found: list[Slots] = []
    for listener in listeners:
        arn = str(listener["ListenerArn"])
        own = forwarded(listener.get("DefaultActions", []))
        if group in own:
            found.append(Slots(listener=arn, rule=None, groups=tuple(own)))
        rules = await aws.pages("elbv2", "describe_rules", "Rules", token=_RULES, ListenerArn=arn)
        for each in rules:
            groups = forwarded(each.get("Actions", []))
            ours = any(condition.get("Field") == "http-header" for condition in each.get("Conditions", []))
            if group in groups and not each.get("IsDefault") and not ours:
                found.append(Slots(listener=arn, rule=str(each["RuleArn"]), groups=tuple(groups)))
    return found

"""The rule that sends requests with a header to one revision: at a priority before the split, ours by its tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.model import HeaderRoute, RevisionId
    from fairdeploy.routing.alb.place import Slots

__all__ = ["OWNER", "apply", "in_force"]

OWNER = "fairdeploy:header-of"
_PAGE = ("NextMarker", "Marker")
_LOWEST = 50_000
"""The last priority that a rule may have (ELBv2 quotas)."""
_TAGS_AT_ONCE = 20
"""Resources that DescribeTags takes at once (API reference)."""


async def apply(
    aws: AWS, slots: Slots, headers: tuple[HeaderRoute, ...], groups: Mapping[RevisionId, str]
) -> None:
    """Make the header rules what they should be; those of others are left alone.

    Raises:
        RouterError: If a rule cannot be made, or there is no room before the split.
    """
    rules = await _rules(aws, slots)
    own = await _own(aws, slots, rules)
    wanted = [_conditions(route) for route in headers]
    for raw in own:
        await aws.call("elbv2", "delete_rule", RuleArn=raw["RuleArn"]) if not _fits(
            raw, headers, groups
        ) else None
    kept = [_told(raw["Conditions"]) for raw in own if _fits(raw, headers, groups)]
    for route, conditions in zip(headers, wanted, strict=True):
        if _told(conditions) in kept:
            continue
        mine = next((raw for raw in rules if raw["RuleArn"] == slots.rule), None)
        also = [_sendable(each) for each in (mine or {}).get("Conditions", [])]
        await aws.call(
            "elbv2",
            "create_rule",
            ListenerArn=slots.listener,
            Priority=_free(rules, mine),
            Conditions=[*also, *conditions],
            Actions=[{"Type": "forward", "TargetGroupArn": groups[route.revision]}],
            Tags=[{"Key": OWNER, "Value": slots.arn.rpartition("/")[2]}],
        )


async def in_force(
    aws: AWS, slots: Slots, headers: tuple[HeaderRoute, ...], groups: Mapping[RevisionId, str]
) -> bool:
    """Whether exactly these header rules are there.

    Raises:
        RouterError: If AWS cannot be asked.
    """
    own = await _own(aws, slots, await _rules(aws, slots))
    return len(own) == len(headers) and all(_fits(raw, headers, groups) for raw in own)


def _fits(raw: Answer, headers: tuple[HeaderRoute, ...], groups: Mapping[RevisionId, str]) -> bool:
    leads = {str(action.get("TargetGroupArn", "")) for action in raw.get("Actions", [])}
    return any(
        _told(_conditions(route)) == _told(raw["Conditions"]) and groups.get(route.revision) in leads
        for route in headers
    )


def _conditions(route: HeaderRoute) -> list[Answer]:
    # A load balancer reads '*' and '?' as wildcards.
    if any(sign in route.value for sign in "*?"):
        error = RouterError(
            f"header value {route.value!r} holds '*' or '?', which a load balancer reads as wildcards"
        )
        error.retryable = False
        raise error
    config = {"HttpHeaderName": route.name, "Values": [route.value]}
    return [{"Field": "http-header", "HttpHeaderConfig": config}]


def _told(conditions: list[Answer]) -> frozenset[tuple[str, str]]:
    found = [each["HttpHeaderConfig"] for each in conditions if each.get("Field") == "http-header"]
    return frozenset(
        (str(each["HttpHeaderName"]).lower(), str(value))
        for each in found
        for value in each.get("Values", [])
    )


def _sendable(condition: Answer) -> Answer:
    """Return a condition as a request takes it: an answer repeats the values at the top."""
    configs = {name: value for name, value in condition.items() if name.endswith("Config")}
    return {"Field": condition["Field"], **(configs or {"Values": condition.get("Values", [])})}


def _free(rules: list[Answer], mine: Answer | None) -> int:
    """Return the last free priority before the split's own."""
    taken = {int(raw["Priority"]) for raw in rules if str(raw.get("Priority", "")).isdecimal()}
    limit = int(mine["Priority"]) - 1 if mine is not None else _LOWEST
    for priority in range(limit, 0, -1):
        if priority not in taken:
            return priority
    error = RouterError(
        "there is no free priority before the rule that splits the traffic: give it a higher number"
    )
    error.retryable = False
    raise error


async def _rules(aws: AWS, slots: Slots) -> list[Answer]:
    return await aws.pages("elbv2", "describe_rules", "Rules", token=_PAGE, ListenerArn=slots.listener)


async def _own(aws: AWS, slots: Slots, rules: list[Answer]) -> list[Answer]:
    """Return the rules that are ours: with a header's condition, and our tag."""
    maybe = {str(raw["RuleArn"]): raw for raw in rules if _told(raw.get("Conditions", []))}
    owner = slots.arn.rpartition("/")[2]
    found: list[Answer] = []
    arns = list(maybe)
    for first in range(0, len(arns), _TAGS_AT_ONCE):
        answer = await aws.call("elbv2", "describe_tags", ResourceArns=arns[first : first + _TAGS_AT_ONCE])
        ours = [
            each
            for each in answer["TagDescriptions"]
            if {"Key": OWNER, "Value": owner} in each.get("Tags", [])
        ]
        found += [maybe[str(each["ResourceArn"])] for each in ours]
    return found

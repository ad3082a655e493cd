"""The router that other rooms use: weights between target groups, on a listener or rule that is already there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, final

from fairdeploy.aws import Recent
from fairdeploy.errors import RouterError
from fairdeploy.model import Capability, Traffic
from fairdeploy.routing.alb import header
from fairdeploy.routing.alb.document import PREFIX, read, written
from fairdeploy.routing.alb.place import Slots, forwarded
from fairdeploy.routing.alb.weights import weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.aws import AWS, Answer
    from fairdeploy.model import Counters, RevisionId, Routes, Target
    from fairdeploy.protocols import Fence

__all__ = ["ALBRouter"]

_LOG = logging.getLogger("fairdeploy")
_OWNER = "fairdeploy:revision"
_SERVING = frozenset({"healthy"})


@final
class ALBRouter:
    """Divides the traffic of one target with the weights of a listener or rule that exists already.

    Revisions take its target groups in turn. Who is a member is the platform's to say (ECS registers its own
    tasks); this router weighs, reads back, and looks at the targets' health. What is in flight is not counted by a
    load balancer: a drain is waited for by the clock. There is no fence: AWS has no conditional write on rules.
    Errors of a revision are not counted here either; `fairdeploy.metrics.cloudwatch` reads them.

    Args:
        aws: The region.
        slots: The listener or rule, and its target groups; see `discover`.
        poll: Seconds for which a look is good.
    """

    def __init__(self, aws: AWS, slots: Slots, *, poll: float = 1.0) -> None:
        self._aws = aws.raising(RouterError)
        self._recent: Recent[Traffic] = Recent(poll)
        self._slots = slots
        self._warned: dict[str, int] = {}

    @property
    def slots(self) -> Slots:
        """The listener or rule, and its target groups."""
        return self._slots

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Weights and headers; drains by the clock."""
        return frozenset({Capability.WEIGHTS, Capability.HEADERS, Capability.DRAIN_TIMED})

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, whether the rule says so, and whom the load balancer finds healthy.

        Raises:
            RouterError: If AWS cannot be asked.
        """
        return await self._recent.get(target.id, lambda: self._look(target))

    async def _look(self, target: Target) -> Traffic:
        document = await self._document()
        if document is None or document[0] != target.id:
            return Traffic()
        routes = document[1]
        groups = await self.groups()
        found = forwarded(await self._actions())
        acknowledged = found == self._wanted(routes, groups, found) and await header.in_force(
            self._aws, self._slots, routes.headers, groups
        )
        healthy: set[str] = set()
        for pool in routes.pools:
            if pool.members and pool.revision in groups:
                well = await self._healthy(groups[pool.revision])
                healthy |= {member.instance for member in pool.members if member.address in well}
        return Traffic(written=routes, acknowledged=acknowledged, healthy=frozenset(healthy))

    async def check(self, target: Target) -> None:  # noqa: ARG002 -- the listener is the same for all
        """Refuse nothing that `discover` has not refused: the listener is there, with its certificate.

        Raises:
            RouterError: If the listener or rule is gone.
        """
        await self._actions()

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:  # noqa: ARG002 -- AWS can refuse no older epoch
        """Set the weights, read them back, then write down what they stand for.

        If the weights are not those that were written last, somebody else has changed them: that is said once, as
        an error that can be tried again, and the next try puts these routes in force all the same.

        Raises:
            RouterError: If a revision has no target group, or AWS refuses; what was in force stays in force.
        """
        self._recent.forget(target.id)
        groups = await self.groups()
        actions = await self._actions()
        before = forwarded(actions)
        await self._refuse_strangers(target, before, groups)
        for revision in routes.split.shares if routes.split else ():
            if revision not in groups:
                raise _final(
                    f"revision {revision!r} of {target.id!r} has no target group: it is no service of ours"
                )
        wanted = self._wanted(routes, groups, before)
        tags = written(target.id, routes)  # refuses what is too large before anything has changed
        await header.apply(self._aws, self._slots, routes.headers, groups)
        if before != wanted:
            await self._set(_weighed(actions, wanted))
            now = forwarded(await self._actions())
            if now != wanted:
                raise RouterError(f"{self._slots.arn!r} reads back as {now}, not as {wanted}: looking again")
        await self._aws.call(
            "elbv2",
            "add_tags",
            ResourceArns=[self._slots.arn],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        self._recent.forget(target.id)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:  # noqa: ARG002 -- as said
        """Return nothing: a load balancer counts into CloudWatch, minutes later. `COUNTERS` is not declared."""
        return {}

    async def remove(self, target: Target, fence: Fence) -> None:  # noqa: ARG002 -- AWS can refuse no older epoch
        """Forget the document and the header rules. Weights stay: the listener is not ours.

        Raises:
            RouterError: If AWS refuses.
        """
        self._recent.forget(target.id)
        document = await self._document()
        if document is None or document[0] != target.id:
            return
        await header.apply(self._aws, self._slots, (), {})
        keys = [key for key in await self._tags(self._slots.arn) if key.startswith(PREFIX)]
        await self._aws.call("elbv2", "remove_tags", ResourceArns=[self._slots.arn], TagKeys=keys)

    # What a backend needs besides.

    async def groups(self) -> dict[RevisionId, str]:
        """Return the target group of each revision that has one.

        Raises:
            RouterError: If AWS cannot be asked.
        """
        answer = await self._aws.call("elbv2", "describe_tags", ResourceArns=list(self._slots.groups))
        found = {str(each["ResourceArn"]): _plain(each.get("Tags", [])) for each in answer["TagDescriptions"]}
        return {tags[_OWNER]: group for group, tags in found.items() if tags.get(_OWNER)}

    async def take(self, revision: RevisionId, *, group: str | None = None) -> str:
        """Return the target group of a revision, taking a free one if it has none.

        Args:
            revision: For whom.
            group: Which, for a service that is registered in it already.

        Raises:
            RouterError: If none is free, or a free one still drains what was in it.
        """
        taken = await self.groups()
        if revision in taken:
            return taken[revision]
        free = [each for each in self._slots.groups if each not in taken.values() and group in {None, each}]
        if not free:
            raise _final(
                f"no target group is free for {revision!r}: {sorted(taken)!r} have them; retire one (keep_warm=0), or name a spare"
            )
        for each in free:
            if group is not None or not await self._targets(each):
                tags = [{"Key": _OWNER, "Value": revision}]
                await self._aws.call("elbv2", "add_tags", ResourceArns=[each], Tags=tags)
                return each
        raise RouterError(f"the free target group {free[0]!r} still has targets that drain: waiting for them")

    async def free(self, revision: RevisionId) -> None:
        """Give a revision's target group back. Nothing to do is no error.

        Raises:
            RouterError: If AWS refuses.
        """
        group = (await self.groups()).get(revision)
        if group is not None:
            await self._aws.call("elbv2", "remove_tags", ResourceArns=[group], TagKeys=[_OWNER])

    # What is asked of AWS.

    def _wanted(
        self, routes: Routes, groups: Mapping[RevisionId, str], before: Mapping[str, int]
    ) -> dict[str, int]:
        """Return the weight of every target group. One without traffic stays attached, so that its health is seen."""
        shares = weights(routes.split.shares) if routes.split else {}
        known = {*self._slots.groups, *before}
        owners = {group: revision for revision, group in groups.items()}
        return {group: shares.get(owners.get(group, ""), 0) for group in sorted(known)}

    async def _refuse_strangers(
        self, target: Target, before: Mapping[str, int], groups: Mapping[RevisionId, str]
    ) -> None:
        document = await self._document()
        if document is None:
            return
        if document[0] != target.id:
            raise _final(
                f"{self._slots.arn!r} carries the routes of {document[0]!r}: one target for one rule"
            )
        expected = self._wanted(document[1], groups, before)
        if before != expected and self._warned != dict(before):
            self._warned = dict(before)
            words = f"{self._slots.arn!r} was changed by somebody else: weights are {dict(before)}, not {expected}"
            _LOG.warning("%s; these routes are put in force all the same", words)
            raise RouterError(f"{words}; trying again puts these routes in force")

    async def _document(self) -> tuple[str, Routes] | None:
        return read(await self._tags(self._slots.arn))

    async def _tags(self, arn: str) -> dict[str, str]:
        answer = await self._aws.call("elbv2", "describe_tags", ResourceArns=[arn])
        return _plain([tag for each in answer["TagDescriptions"] for tag in each.get("Tags", [])])

    async def _actions(self) -> list[Answer]:
        if self._slots.rule is None:
            answer = await self._aws.call("elbv2", "describe_listeners", ListenerArns=[self._slots.listener])
            return list(answer["Listeners"][0]["DefaultActions"])
        answer = await self._aws.call("elbv2", "describe_rules", RuleArns=[self._slots.rule])
        return list(answer["Rules"][0]["Actions"])

    async def _set(self, actions: list[Answer]) -> None:
        if self._slots.rule is None:
            await self._aws.call(
                "elbv2", "modify_listener", ListenerArn=self._slots.listener, DefaultActions=actions
            )
        else:
            await self._aws.call("elbv2", "modify_rule", RuleArn=self._slots.rule, Actions=actions)

    async def _targets(self, group: str) -> list[Answer]:
        answer = await self._aws.call("elbv2", "describe_target_health", TargetGroupArn=group)
        return list(answer["TargetHealthDescriptions"])

    async def _healthy(self, group: str) -> frozenset[str]:
        return frozenset(
            f"{each['Target']['Id']}:{each['Target']['Port']}"
            for each in await self._targets(group)
            if each["TargetHealth"]["State"] in _SERVING
        )


def _weighed(actions: list[Answer], wanted: Mapping[str, int]) -> list[Answer]:
    """Return the actions with other weights: what comes before the forward, such as a login, stays."""
    made: list[Answer] = []
    for action in actions:
        if action.get("Type") != "forward":
            kept = dict(action)
            if "AuthenticateOidcConfig" in kept:  # its secret is never told, and may be left as it is
                kept["AuthenticateOidcConfig"] = {
                    **kept["AuthenticateOidcConfig"],
                    "UseExistingClientSecret": True,
                }
            made.append(kept)
            continue
        config = {
            "TargetGroups": [{"TargetGroupArn": group, "Weight": weight} for group, weight in wanted.items()]
        }
        sticky = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig")
        if sticky:
            config["TargetGroupStickinessConfig"] = sticky
        made.append({"Type": "forward", "ForwardConfig": config, **_order(action)})
    return made


def _order(action: Answer) -> Answer:
    return {"Order": action["Order"]} if "Order" in action else {}


def _plain(tags: list[Answer]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags}


def _final(message: str) -> RouterError:
    error = RouterError(message)
    error.retryable = False
    return error

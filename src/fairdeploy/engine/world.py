"""What is seen of a target at one moment, and the routing document that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

from fairdeploy.model import (
    Base,
    Deployment,
    Instance,
    InstanceId,
    Member,
    Plan,
    Pool,
    Probe,
    Revision,
    RevisionId,
    Routes,
    Shift,
    Traffic,
)
from fairdeploy.protocols import Backend

__all__ = ["Seen", "look", "wanted_routes"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at a target.

    Args:
        deployment: What the backend says, with the router's split.
        traffic: What the router says; ``None`` where there is no router for this target.
    """

    deployment: Deployment
    traffic: Traffic | None = None

    def revision(self, revision: RevisionId) -> Revision:
        """Return a revision; one that is not there is one without instances."""
        return self.deployment.revision(revision) or Revision(revision, replicas=0)

    def answering(self, revision: RevisionId) -> tuple[Instance, ...]:
        """Return the instances that answer for a revision: those that the router knows, if it knows any.

        One that is still on its way up has not been given traffic, and convicts nobody.
        """
        active = self.revision(revision).active
        pool = self.traffic.written.pool(revision) if self.traffic and self.traffic.written else None
        known = {member.instance for member in pool.members} if pool else set()
        return tuple(instance for instance in active if instance.id in known) or active

    def in_flight(self, instances: tuple[InstanceId, ...]) -> int | None:
        """Return the requests under way on these instances, or ``None`` if nobody counts them."""
        if self.traffic is None or self.traffic.in_flight is None:
            return None
        return sum(self.traffic.in_flight.get(instance, 0) for instance in instances)

    @property
    def unlisted(self) -> tuple[InstanceId, ...]:
        """Instances with requests under way that are no members any more and that the backend's list leaves out.

        A page of a list may be missing: what is being drained is then no less busy for it.
        """
        if self.traffic is None or not self.traffic.in_flight:
            return ()
        listed = {each.id for revision in self.deployment.revisions for each in revision.instances}
        pools = self.traffic.written.pools if self.traffic.written is not None else ()
        members = {member.instance for pool in pools for member in pool.members}
        busy = {each for each, count in self.traffic.in_flight.items() if count}
        return tuple(sorted(busy - listed - members))


async def look(backend: Backend, base: Base) -> Seen:
    """Observe backend and router.

    Raises:
        BackendError: If the backend cannot be observed.
        RouterError: If the router cannot be asked.
    """
    deployment = await backend.observe(base.target)
    if backend.router is None or base.target.endpoint is None:
        return Seen(deployment=deployment)
    traffic = await backend.router.observe(base.target)
    return Seen(deployment=replace(deployment, split=traffic.split), traffic=traffic)


def wanted_routes(plan: Plan, base: Base, rule: Shift | None, seen: Seen) -> Routes:
    """Return the routing document for what is there now under a rule.

    Members are the instances that may serve. One that was a member stays one while it runs,
    ready or not: the router's own health checks react faster than we do, and an instance
    that is restarted in its place comes back without us. Only quiescing takes it out.

    Args:
        plan: For the releases' probes.
        base: For the split that holds before the first `Shift`.
        rule: The routing rule in force, or ``None`` for the base's.
        seen: What is there.
    """
    split = base.split if rule is None else rule.split
    headers = () if rule is None else rule.headers
    mirror = None if rule is None else rule.mirror
    named = {*(split.shares if split else ()), *(h.revision for h in headers)}
    named |= {mirror.revision} if mirror else set()
    ours = {base.stable, base.candidate} - {None}
    revisions = [r.id for r in seen.deployment.revisions if r.id in named | ours]
    revisions += sorted(named - set(revisions))
    pools = tuple(_pool(plan, revision, seen) for revision in revisions)
    return Routes(pools, split=split, headers=headers, mirror=mirror, sticky=base.target.sticky)


def _pool(plan: Plan, revision: RevisionId, seen: Seen) -> Pool:
    written = seen.traffic.written.pool(revision) if seen.traffic and seen.traffic.written else None
    before = {member.instance: member for member in written.members} if written else {}
    members = {
        instance.id: Member(instance.id, instance.address)
        for instance in seen.revision(revision).active
        if instance.address is not None
        and (instance.ready or (instance.id in before and instance.state != "exited"))
    }
    if missing := _missing(seen, revision, before):
        members = {
            **{i: members.get(i, before[i]) for i in before if i in members or i in missing},
            **members,
        }
    release = plan.releases.get(revision)
    probe: Probe | None = release.probes.readiness if release else (written.probe if written else None)
    return Pool(revision, tuple(members.values()), probe)


def _missing(seen: Seen, revision: RevisionId, before: Mapping[InstanceId, Member]) -> frozenset[InstanceId]:
    """Return members that a list leaves out though the router still finds them healthy.

    Either they have died just now, and the router will say so, or a page of the list is missing:
    traffic is not taken from what answers because of one short list.
    """
    of = seen.revision(revision)
    if seen.traffic is None or len(of.instances) >= of.replicas:
        return frozenset()
    return seen.traffic.healthy & (set(before) - {instance.id for instance in of.instances})

"""Revisions that we drive: one service per revision, beside the one that is adopted."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from fairdeploy.aws import Recent
from fairdeploy.backends.ecs import (
    _definition,
    _definitions,
    _jobs,
    _making,
    _scaling,
    _services,
    _sizing,
    _tail,
    _tasks,
)
from fairdeploy.errors import BackendError, Refused
from fairdeploy.model import Capability, Deployment, HTTPProbe, Member, Pool, Revision, Routes, Split
from fairdeploy.protocols import Fence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.aws import AWS
    from fairdeploy.backends.ecs._definitions import Definitions
    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.backends.ecs.place import Place
    from fairdeploy.model import InstanceId, Job, Release, RevisionId, Target
    from fairdeploy.protocols import JobState
    from fairdeploy.routing.alb import ALBRouter

__all__ = ["Driven"]

_ABILITIES = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS})


@final
class Driven:
    """The adopted service, and those of the revisions beside it.

    Args:
        aws: The region.
        place: The adopted service.
        definitions: What is known of task definitions.
        router: The load balancer in front; ``None``: workers.
        poll: Seconds for which a look is good.
    """

    def __init__(
        self, aws: AWS, place: Place, definitions: Definitions, *, router: ALBRouter | None, poll: float
    ) -> None:
        self._aws = aws
        self._place = place
        self._router = router
        self._recent: Recent[Deployment] = Recent(poll)
        self._definitions = definitions

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Revisions, replicas and jobs, and what the load balancer can do."""
        return _ABILITIES if self._router is None else _ABILITIES | self._router.capabilities

    async def adopt(self, target: Target) -> RevisionId:
        """See `ECSBackend.adopt`."""
        base = await _services.base(self._aws, self._place)
        if base.tags.get(_services.TARGET, target.id) != target.id:
            msg = f"service {base.name!r} is of {base.tags[_services.TARGET]!r}, not of {target.id!r}"
            raise Refused(msg)
        if base.revision:
            return base.revision
        revision = _definitions.adopted(base.definition)
        if self._router is not None:
            await self._router.take(revision, group=base.group)
            if target.endpoint is not None:
                await self._routed(self._router, target, base, revision)
        await _services.tag(self._aws, base.arn, target=target.id, revision=revision, stable="1", base="yes")
        self._recent.forget(target.id)
        return revision

    async def _routed(self, router: ALBRouter, target: Target, base: Service, revision: RevisionId) -> None:
        """Write down that what is adopted has all traffic: else the first plan would find that nothing serves."""
        definition = await self._definitions.get(base.definition)
        tasks = await _tasks.listed(self._aws, self._place, serviceName=base.name)
        port = _definition.port(definition, base.raw)
        there = _tasks.instances(tasks, revision, port=port, checked=False)
        members = tuple(Member(each.id, each.address) for each in there if each.address)
        routes = Routes((Pool(revision, members, HTTPProbe("/")),), split=Split.all_to(revision))
        await router.apply(target, routes, Fence(epoch=0, key="adopt"))

    async def observe(self, target: Target) -> Deployment:
        """See `Backend.observe`: as it was seen within the last ``poll`` seconds."""
        return await self._recent.get(target.id, lambda: self._look(target))

    async def _look(self, target: Target) -> Deployment:
        services = await _services.of_target(self._aws, self._place, target.id)
        if not services:
            return Deployment(target.id)
        revisions: list[Revision] = []
        for each in services:
            definition = await self._definitions.get(each.definition)
            tasks = await _tasks.listed(self._aws, self._place, serviceName=each.name)
            checked = "healthCheck" in _definition.main(definition, each.raw)
            found = _tasks.instances(
                tasks,
                each.revision,
                port=_definition.port(definition, each.raw),
                checked=checked,
                trouble=_services.trouble(each.raw) if each.desired else "",
            )
            revisions.append(Revision(each.revision, replicas=each.replicas, instances=found))
        stable = max(services, key=lambda each: each.mark)
        return Deployment(
            target.id, revisions=tuple(revisions), stable=stable.revision if stable.mark else None
        )

    async def check(self, target: Target) -> None:
        """Refuse a service that runs without having been adopted, and what its load balancer cannot be told."""
        base = await _services.base(self._aws, self._place)
        owner = base.tags.get(_services.TARGET)
        if base.desired and owner is None:
            msg = f"service {base.name!r} runs {base.desired} tasks that are nobody's: await backend.adopt(target) first"
            raise Refused(msg)
        if self._router is not None and target.endpoint is not None:
            await self._router.check(target)

    async def ensure(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        replicas: int,
        drained: frozenset[InstanceId],
    ) -> None:
        """See `Backend.ensure`."""
        self._recent.forget(target.id)
        found = await self._service(target, revision)
        if found is None:
            await self._make(target, revision, release, replicas)
        else:
            await _sizing.resize(self._aws, self._place, found, replicas, drained)
        self._recent.forget(target.id)

    async def _make(self, target: Target, revision: RevisionId, release: Release, replicas: int) -> None:
        base = await _services.base(self._aws, self._place)
        group = None if self._router is None else await self._router.take(revision)
        await _making.make(
            self._aws,
            self._place,
            base,
            definitions=self._definitions,
            target=target,
            revision=revision,
            release=release,
            replicas=replicas,
            group=group,
        )

    async def quiesce(self, target: Target, instances: frozenset[InstanceId]) -> None:
        """See `Backend.quiesce`: they are marked by a tag."""
        self._recent.forget(target.id)
        for each in await _services.of_target(self._aws, self._place, target.id):
            for raw in await _tasks.listed(self._aws, self._place, serviceName=each.name):
                if _tasks.id_of(raw) in instances and raw["desiredStatus"] != "STOPPED":
                    await _services.tag(self._aws, raw["taskArn"], quiescing="yes")
        self._recent.forget(target.id)

    async def remove(self, target: Target, revision: RevisionId) -> None:
        """See `Backend.remove`: the adopted service is kept, with no tasks."""
        self._recent.forget(target.id)
        found = await self._service(target, revision)
        if found is not None:
            await self._end(target, found)
        if self._router is not None:  # also that of one who died between target group and service
            await self._router.free(revision)
        self._recent.forget(target.id)

    async def _end(self, target: Target, found: Service) -> None:
        services = await _services.of_target(self._aws, self._place, target.id)
        if found.mark and found.mark == max(each.mark for each in (found, *services)):
            error = BackendError(
                f"revision {found.revision!r} is the stable one of {target.id!r}: promote another before"
            )
            error.retryable = False
            raise error
        await _scaling.forget(self._aws, self._place, found.name)
        if found.name == self._place.service:
            await self._empty(found)
            return
        await self._aws.call(
            "ecs", "delete_service", cluster=self._place.cluster, service=found.name, force=True
        )

    async def _empty(self, base: Service) -> None:
        await self._aws.call(
            "ecs", "update_service", cluster=self._place.cluster, service=base.name, desiredCount=0
        )
        ours = [tag for tag in base.tags if tag.startswith("fairdeploy:")]
        await self._aws.call("ecs", "untag_resource", resourceArn=base.arn, tagKeys=ours)

    async def promote(self, target: Target, revision: RevisionId) -> None:
        """See `Backend.promote`: the highest number counts, so that one write moves it. Auto scaling follows it."""
        self._recent.forget(target.id)
        services = await _services.of_target(self._aws, self._place, target.id)
        found = await self._service(target, revision)
        if found is None:
            raise BackendError(f"revision {revision!r} is not there to be promoted: ensure it first")
        before = max(services, key=lambda each: each.mark, default=found)
        if before.mark and before.name != found.name:
            await _scaling.move(self._aws, self._place, before.name, found.name)
        if not found.mark or before.name != found.name:
            await _services.tag(self._aws, found.arn, stable=str(before.mark + 1))
        self._recent.forget(target.id)

    async def execute(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,  # noqa: ARG002 -- the task definition holds it
        job: Job,
        key: str,
    ) -> JobState:
        """See `Backend.execute`."""
        found = await self._service(target, revision)
        if found is None:
            raise BackendError(f"revision {revision!r} is not there for job {job.name!r}: ensure it first")
        definition = await self._definitions.get(found.definition)
        return await _jobs.execute(
            self._aws, self._place, found, definition=definition, target=target.id, job=job, key=key
        )

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """Return the last lines of each task, also of those that stopped within the hour, from CloudWatch Logs."""
        found = await self._service(target, revision)
        if found is None:
            return {}
        tasks = await _tasks.listed(self._aws, self._place, serviceName=found.name)
        return await _tail.words(
            self._aws, await self._definitions.get(found.definition), found.raw, tasks, lines
        )

    async def _service(self, target: Target, revision: RevisionId) -> Service | None:
        """Return a revision's service by its name, which a look sees before a list does; else the adopted one."""
        name = _services.name_of(self._place, target.id, revision)
        for each in (name, self._place.service):
            found = await _services.named(self._aws, self._place, each)
            if found and (found.tags.get(_services.TARGET), found.revision) == (target.id, revision):
                return found
        return None

"""The backend of Amazon ECS: revisions as services that we drive, or one service that ECS itself rolls out."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, final

from fairdeploy.aws import AWS
from fairdeploy.backends.ecs import _definition, _opening, _services, _validating
from fairdeploy.backends.ecs._definitions import Definitions
from fairdeploy.backends.ecs._driven import Driven
from fairdeploy.backends.ecs._native import Native
from fairdeploy.backends.ecs.place import Place
from fairdeploy.errors import Refused
from fairdeploy.routing.alb import ALBRouter, discover

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from fairdeploy.model import (
        Capability,
        Delegate,
        Deployment,
        InstanceId,
        Job,
        Release,
        RevisionId,
        Target,
    )
    from fairdeploy.protocols import Fence, JobState, Journal, Progress, TrafficRouter, Validation

__all__ = ["ECSBackend"]


@final
class ECSBackend:
    """Runs revisions as services beside an ECS service that is there already, which it adopts.

    Open it with `ECSBackend.open`, on asyncio. The adopted service is the pattern: network, roles, logs, size and
    load balancer come from it; a `Release` gives image, command and environment. It is stable until something else
    is promoted, and is then kept with no tasks. Every revision's task definition stays registered.

    With ``Place(..., delegated=True)`` there is the one service only, and ECS itself rolls it out: for `Delegated`.

    What is deployed is written in tags of the services; leases and records are in the journal that is given. ECS has
    no conditional write, so there is no fence: lease, read-back and short effects narrow the window in which a
    holder that was taken over could still act.
    """

    def __init__(
        self,
        aws: AWS,
        place: Place,
        *,
        journal: Journal,
        router: ALBRouter | None,
        way: Driven | Native,
    ) -> None:
        self._aws = aws
        self._place = place
        self._journal = journal
        self._router = router
        self._way = way

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        place: Place | str,
        *,
        journal: Journal | None = None,
        poll: float = 1.0,
        guard: bool | None = None,
    ) -> AsyncGenerator[ECSBackend]:
        """Adopt a service. Changes nothing yet.

        Args:
            place: Or its URI, ``ecs://region/cluster/service``.
            journal: Where leases and records live. ``None``: what the URI says, else in an SQLite file of this user on this machine, below
                ``~/.local/state/fairdeploy/ecs``. Where several machines deploy, give them one in PostgreSQL.
            poll: Seconds for which a look at AWS is good: its quotas count calls of the whole account.
            guard: Must not be true: there is nothing here that could keep one.

        Yields:
            The backend.

        Raises:
            InvalidInput: If it is no place, or there is no such region.
            Refused: If the service is one that this backend must not touch, or its load balancer cannot be told.
            BackendError: If AWS cannot be asked: no credentials, no permission, no such service.
        """
        place = _opening.placed(place, journal, guard=guard)
        async with AsyncExitStack() as owned:
            aws = await owned.enter_async_context(AWS.open(place.region, endpoint=place.endpoint))
            base = await _services.base(aws, place)
            _opening.refuse_unfit(place, base)
            kept = journal
            if kept is None:
                kept = await owned.enter_async_context(_opening.journal(place))
            definitions = Definitions(aws)
            if place.delegated:
                native = Native(aws=aws, place=place, definitions=definitions, shifts=_opening.shifts(base))
                yield cls(aws, place, journal=kept, router=None, way=native)
                return
            router = None
            if base.group is not None:
                slots = await discover(aws, base.group, rule=place.rule, spare=place.spare)
                router = ALBRouter(aws, slots, poll=poll)
            driven = Driven(aws, place, definitions, router=router, poll=poll)
            yield cls(aws, place, journal=kept, router=router, way=driven)

    @property
    def uri(self) -> str:
        """``ecs://region/cluster/service``, and what else was named, a journal too."""
        return self._place.uri

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Revisions, replicas and jobs, and what the load balancer can do; or what is delegated. No fence."""
        return self._way.capabilities

    @property
    def router(self) -> TrafficRouter | None:
        """The load balancer in front, or ``None`` for workers, and where ECS moves the traffic."""
        return self._router

    @property
    def journal(self) -> Journal:
        """Leases and records."""
        return self._journal

    async def adopt(self, target: Target) -> RevisionId:
        """Make what the service runs now the stable revision of a target; again does nothing.

        Returns:
            The revision: ``adopted-`` and a hash of its task definition.

        Raises:
            Refused: If the service is another target's.
            BackendError: If AWS refuses.
        """
        return await self._way.adopt(target)

    async def observe(self, target: Target) -> Deployment:
        """Return the target's revisions and their tasks.

        Raises:
            BackendError: If AWS cannot be asked.
        """
        return await self._way.observe(target)

    async def check(self, target: Target, release: Release) -> None:
        """Refuse what could not be a task here, and a service that is not to be touched.

        Raises:
            StartError: If the release holds what a task definition cannot, or its image is not in ECR.
            Refused: If the service is another target's, runs without having been adopted, or is scaled by AWS.
        """
        _definition.refuse(release)
        await _definition.pinned(self._aws, release.image)
        await self._way.check(target)

    def validations(self) -> tuple[Validation, ...]:
        """Return what else to look at: alarms that fire already, drains, stickiness, weights, where tasks may go."""
        return _validating.validations(self._aws, self._place, self._router)

    async def ensure(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        replicas: int,
        fence: Fence,  # noqa: ARG002 -- AWS can refuse no older epoch
        *,
        drained: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """Bring a revision to ``replicas`` tasks that do not quiesce, and stop those in ``drained``.

        Raises:
            StartError: If the release cannot be a task.
            Refused: If ECS itself rolls the service out.
            BackendError: If AWS refuses.
        """
        _definition.refuse(release)
        await self._driven(target).ensure(target, revision, release, replicas, drained)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:  # noqa: ARG002 -- AWS can refuse no older epoch
        """Mark tasks as on their way out, by a tag.

        Raises:
            Refused: If ECS itself rolls the service out.
            BackendError: If AWS refuses.
        """
        await self._driven(target).quiesce(target, instances)

    async def delegate(
        self,
        target: Target,
        step: Delegate,
        release: Release | None,
        fence: Fence,
    ) -> Progress:
        """Ask ECS to roll a revision out, once per key, and return how far it has come: see `RolloutController`.

        Raises:
            InvalidInput: If ECS has no such deployment.
            StartError: If the release cannot be a task, or ECS remembers no such revision.
            Refused: If the service is driven here.
            BackendError: If AWS refuses.
        """
        if isinstance(self._way, Driven):
            msg = f"revisions of {target.id!r} are driven: open Place(..., delegated=True) to leave it to ECS"
            raise Refused(msg)
        if release is not None:
            _definition.refuse(release)
        return await self._way.delegate(target, step, release, fence)

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:  # noqa: ARG002 -- AWS can refuse no older epoch
        """Stop every task of a revision and delete its service; the adopted one is kept, with no tasks.

        Raises:
            BackendError: If it is the stable revision, or AWS refuses.
        """
        await self._way.remove(target, revision)

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:  # noqa: ARG002 -- AWS can refuse no older epoch
        """Write the stable mark.

        Raises:
            BackendError: If the revision is not there, or AWS refuses.
        """
        await self._way.promote(target, revision)

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, fence: Fence
    ) -> JobState:
        """Start a job once per key, and return how far it has come.

        Raises:
            StartError: If no task can be placed.
            BackendError: If the revision is not there, or AWS refuses.
        """
        return await self._way.execute(target, revision, release, job, fence.key)

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """Return the last lines of each task, also of those that stopped within the hour, from CloudWatch Logs."""
        return await self._way.tail(target, revision, lines)

    def _driven(self, target: Target) -> Driven:
        if isinstance(self._way, Driven):
            return self._way
        msg = f"tasks of {target.id!r} are replaced by ECS: use Delegated()"
        raise Refused(msg)

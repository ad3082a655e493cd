"""A backend in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

import anyio
from anyio.lowlevel import checkpoint

from fairdeploy.errors import BackendError, StartError
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Capability
from fairdeploy.protocols import JobState, Progress
from fairdeploy.testing.simulation.router import ROUTER_ABILITIES, SimulatedRouter
from fairdeploy.testing.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Delegate, Deployment, InstanceId, Job, Release, RevisionId, Target, TargetId
    from fairdeploy.protocols import Fence, Journal, TrafficRouter

__all__ = ["SimulatedBackend"]

_ABILITIES = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED})
_ABILITIES |= {Capability.DELEGATED}


@final
class SimulatedBackend:
    """A `Backend` in memory, in the time of its world.

    Args:
        world: What it acts on. Default: a new one, where everything goes well.
        journal: Default: a `MemoryJournal` of its own, by the world's clock.
        without: Abilities that it, or its router, does not have.
        routed: Whether it has a router.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        journal: Journal | None = None,
        without: frozenset[Capability] = frozenset(),
        routed: bool = True,
    ) -> None:
        self.world = world or World()
        self._journal = journal or MemoryJournal(self.world.clock)
        self._router = SimulatedRouter(self.world, without=without) if routed else None
        offered = _ABILITIES | (ROUTER_ABILITIES if routed else frozenset())
        self._capabilities = offered - without
        self._last_seen: dict[TargetId, Deployment] = {}

    @property
    def uri(self) -> str:
        """A name only: the world lives in this process."""
        return "simulated://world"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See `Backend.capabilities`."""
        return self._capabilities

    @property
    def router(self) -> TrafficRouter | None:
        """See `Backend.router`."""
        return self._router

    @property
    def journal(self) -> Journal:
        """See `Backend.journal`."""
        return self._journal

    async def observe(self, target: Target) -> Deployment:
        """See `Backend.observe`.

        Raises:
            BackendError: By a fault.
        """
        name = "backend.observe"
        fault = await self.world.troubled(name)
        if fault is not None and fault.kind == "delay":
            await anyio.sleep(fault.seconds)
        if fault is not None and fault.kind == "after":
            raise self.world.error(name, "after")
        if fault is not None and fault.kind == "stale" and target.id in self._last_seen:
            return self._last_seen[target.id]
        self._last_seen[target.id] = self._look(target)
        if fault is not None and fault.kind == "partial":
            return self._partly(self._last_seen[target.id])
        return self._last_seen[target.id]

    async def check(self, target: Target, release: Release) -> None:  # noqa: ARG002 -- nothing is missing here
        """See `Backend.check`: whatever is wrong with a simulated release shows when it runs."""
        await checkpoint()

    async def ensure(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """See `Backend.ensure`.

        Raises:
            StartError: If the revision's behaviour says so.
            Fenced: If a newer epoch was seen.
            BackendError: By a fault.
        """
        place = self.world.place(target.id)

        def act() -> bool:
            behaviour = self.world.behaviour(revision)
            before = (place.replicas.get(revision), len(place.machines), len(place.running(revision)))
            for machine in place.running(revision):
                if machine.id in drained:
                    self.world.stop(place, machine)
            missing = replicas - sum(not machine.quiescing for machine in place.running(revision))
            if missing > 0 and behaviour.start_error is not None:
                raise StartError(behaviour.start_error, behaviour.last_words)
            place.replicas[revision] = replicas
            place.releases[revision] = release
            for _ in range(missing):
                self.world.start(place, target, revision, serves=release.serves)
            return before != (replicas, len(place.machines), len(place.running(revision)))

        detail = f"{revision} x {replicas}" + (f" without {sorted(drained)}" if drained else "")
        effect = self.world.effect("backend.ensure", target.id, fence, detail)
        await self.world.call("backend.ensure", effect, act)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        """See `Backend.quiesce`.

        Raises:
            Fenced: If a newer epoch was seen.
            BackendError: By a fault.
        """
        place = self.world.place(target.id)

        def act() -> bool:
            marked = [m for m in place.running() if m.id in instances and not m.quiescing]
            for machine in marked:
                machine.quiescing = True
            return bool(marked)

        effect = self.world.effect("backend.quiesce", target.id, fence, f"{sorted(instances)}")
        await self.world.call("backend.quiesce", effect, act)

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """See `Backend.remove`.

        Raises:
            Fenced: If a newer epoch was seen.
            BackendError: If it is the stable revision, or by a fault.
        """
        place = self.world.place(target.id)

        def act() -> bool:
            if revision == place.stable:
                raise BackendError(
                    f"revision {revision!r} is stable on {target.id!r}: promote another before it is removed"
                )
            for machine in place.running(revision):
                self.world.stop(place, machine)
            place.releases.pop(revision, None)
            return place.replicas.pop(revision, None) is not None

        effect = self.world.effect("backend.remove", target.id, fence, revision)
        await self.world.call("backend.remove", effect, act)

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """See `Backend.promote`.

        Raises:
            Fenced: If a newer epoch was seen.
            BackendError: If the revision is not there, or by a fault.
        """
        place = self.world.place(target.id)

        def act() -> bool:
            if revision not in place.replicas:
                raise BackendError(
                    f"revision {revision!r} is not on {target.id!r}: start it before it is promoted"
                )
            before, place.stable = place.stable, revision
            return before != revision

        effect = self.world.effect("backend.promote", target.id, fence, revision)
        await self.world.call("backend.promote", effect, act)

    async def execute(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        job: Job,
        fence: Fence,
    ) -> JobState:
        """See `Backend.execute`.

        Raises:
            Fenced: If a newer epoch was seen.
            BackendError: By a fault.
        """
        place = self.world.place(target.id)

        def act() -> bool:
            new = fence.key not in place.jobs
            place.jobs.setdefault(fence.key, self.world.now())
            return new

        effect = self.world.effect(
            "backend.execute", target.id, fence, f"{job.name} on {revision} ({release.version})"
        )
        await self.world.call("backend.execute", effect, act)
        behaviour = self.world.behaviour(revision)
        if self.world.now() < place.jobs[fence.key] + behaviour.job_seconds:
            return JobState(phase="running")
        code = behaviour.job_codes.get(job.name, 0)
        return JobState(phase="failed" if code else "succeeded", exit_code=code, output=behaviour.last_words)

    async def delegate(
        self, target: Target, step: Delegate, release: Release | None, fence: Fence
    ) -> Progress:
        """See `RolloutController.delegate`: new instances come first, the old ones go once all of them are ready.

        Raises:
            StartError: If the revision's behaviour says so.
            Fenced: If a newer epoch was seen.
            BackendError: By a fault.
        """
        place, behaviour = self.world.place(target.id), self.world.behaviour(step.revision)
        size = step.replicas or max(1, sum(place.replicas.values()))

        def act() -> bool:
            if behaviour.start_error is not None:
                raise StartError(behaviour.start_error, behaviour.last_words)
            before = dict(place.replicas)
            place.replicas[step.revision] = size
            if release is not None:
                place.releases[step.revision] = release
            now, mine = self.world.now(), place.running(step.revision)
            for _ in range(size - len(mine)):
                self.world.start(place, target, step.revision, serves=place.releases[step.revision].serves)
            if len(mine) >= size and all(machine.ready(now) for machine in mine):
                others = [each for each in place.running() if each.revision != step.revision]
                for machine in (*others, *mine[size:]):
                    self.world.stop(place, machine)
                place.replicas = {step.revision: size}
            return before != place.replicas

        effect = self.world.effect("backend.delegate", target.id, fence, f"{step.revision} x {size}")
        await self.world.call("backend.delegate", effect, act)
        ready = sum(machine.ready(self.world.now()) for machine in place.running(step.revision))
        whole = set(place.replicas) == {step.revision} and ready >= size
        return Progress(phase="succeeded" if whole else "running", message=f"{ready} of {size} ready")

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """See `Backend.tail`."""
        await checkpoint()
        words = self.world.behaviour(revision).last_words[-lines:] if lines > 0 else ()
        place = self.world.place(target.id)
        return {machine.id: words for machine in place.running(revision)}

    def _partly(self, whole: Deployment) -> Deployment:
        shown = set(self.world.part_of(i.id for each in whole.revisions for i in each.instances))
        return replace(
            whole,
            revisions=tuple(
                replace(each, instances=tuple(i for i in each.instances if i.id in shown))
                for each in whole.revisions
            ),
        )

    def _look(self, target: Target) -> Deployment:
        return self.world.place(target.id).look(target.id, self.world.now())

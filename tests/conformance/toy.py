"""A backend of a hundred lines that belongs to nobody: what somebody else would write, and have tried."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

from fairdeploy.errors import BackendError, Fenced, StartError
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Capability, Deployment, Instance, Job, Release, Revision, Target
from fairdeploy.protocols import Fence, JobState, Journal, TrafficRouter


@dataclass
class Shelf:
    """What outlives the program: a folder, a cluster, somebody's API."""

    revisions: dict[str, dict[str, Revision]] = field(default_factory=dict)
    stable: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, JobState] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)
    journal: MemoryJournal = field(default_factory=MemoryJournal)


class Toy:
    """Runs nothing, and says that it does."""

    capabilities = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED})
    router: TrafficRouter | None = None
    uri = "toy://shelf"

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    @property
    def journal(self) -> Journal:
        """Give the shelf's journal."""
        return self.shelf.journal

    def known(self, target: Target) -> dict[str, Revision]:
        """Give what is there of a target."""
        return self.shelf.revisions.setdefault(target.id, {})

    def fence(self, target: Target, fence: Fence) -> None:
        """Refuse whoever was taken over."""
        if fence.epoch < self.shelf.epochs.get(target.id, 0):
            raise Fenced(f"epoch {fence.epoch} of {target.id!r} has passed: stop")
        self.shelf.epochs[target.id] = fence.epoch

    async def observe(self, target: Target) -> Deployment:
        """Tell what is there."""
        known = self.known(target)
        return Deployment(target.id, revisions=tuple(known.values()), stable=self.shelf.stable.get(target.id))

    async def check(self, target: Target, release: Release) -> None:
        """Refuse what cannot be started."""
        if release.command[0].startswith("/nonexistent"):
            raise StartError(f"{release.command[0]!r} is not there: install it")

    async def ensure(
        self,
        target: Target,
        revision: str,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[str] = frozenset(),
    ) -> None:
        """Start what is missing, stop what is named."""
        self.fence(target, fence)
        await self.check(target, release)
        before = self.known(target).get(revision, Revision(revision, replicas=0)).instances
        left = tuple(one for one in before if one.id not in drained)
        missing = range(replicas - sum(not one.quiescing for one in left))
        new = tuple(Instance(f"i{next(self.shelf.numbers)}", revision=revision, ready=True) for _ in missing)
        self.known(target)[revision] = Revision(revision, replicas=replicas, instances=left + new)

    async def quiesce(self, target: Target, instances: frozenset[str], fence: Fence) -> None:
        """Mark what is named."""
        self.fence(target, fence)
        for name, one in self.known(target).items():
            marked = tuple(replace(i, quiescing=i.quiescing or i.id in instances) for i in one.instances)
            self.known(target)[name] = replace(one, instances=marked)

    async def remove(self, target: Target, revision: str, fence: Fence) -> None:
        """Forget a revision."""
        self.fence(target, fence)
        if self.shelf.stable.get(target.id) == revision:
            raise BackendError(f"{revision!r} is stable on {target.id!r}: promote another first")
        self.known(target).pop(revision, None)

    async def promote(self, target: Target, revision: str, fence: Fence) -> None:
        """Write the mark."""
        self.fence(target, fence)
        self.shelf.stable[target.id] = revision

    async def execute(
        self, target: Target, revision: str, release: Release, job: Job, fence: Fence
    ) -> JobState:
        """Pretend to run a job, once per key."""
        self.fence(target, fence)
        run = (f"run {next(self.shelf.numbers)}",)
        bad = job.name == "fails"
        state = JobState(phase="failed" if bad else "succeeded", exit_code=int(bad), output=run)
        return self.shelf.jobs.setdefault(fence.key, state)

    async def tail(self, target: Target, revision: str, lines: int) -> dict[str, tuple[str, ...]]:
        """Tell what every instance has said."""
        known = self.known(target).get(revision)
        return {one.id: ("one", "two", "three")[-lines:] for one in known.instances} if known else {}

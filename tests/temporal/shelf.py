"""A backend whose world is a folder: what one process does there, every other one sees. Nothing serves in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, final

from fairdeploy.errors import Fenced
from fairdeploy.model import Capability, Deployment, Instance, Revision
from fairdeploy.protocols import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairdeploy.model import InstanceId, Job, Release, RevisionId, Target
    from fairdeploy.protocols import Fence, Journal, TrafficRouter

__all__ = ["Shelf"]


@dataclass(slots=True)
class _Place:
    stable: str | None = None
    epoch: int = 0
    revisions: dict[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Shelf:
    """Holds revisions as files.

    Args:
        folder: With a file for each target. One program at a time writes it, as leases see to.
        journal: Where the leases are.
    """

    folder: Path
    journal: Journal
    router: TrafficRouter | None = None
    capabilities: frozenset[Capability] = frozenset(
        {Capability.REVISIONS, Capability.REPLICAS, Capability.FENCED}
    )

    @property
    def uri(self) -> str:
        """A name only."""
        return f"shelf://{self.folder}"

    async def observe(self, target: Target) -> Deployment:
        """See `Backend.observe`: whatever is there is ready."""
        place = self._read(target)
        revisions = tuple(
            Revision(
                revision,
                replicas=count,
                instances=tuple(
                    Instance(f"{revision}-{number}", revision=revision, ready=True, state="running")
                    for number in range(count)
                ),
            )
            for revision, count in place.revisions.items()
        )
        return Deployment(target.id, revisions=revisions, stable=place.stable)

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
        """See `Backend.ensure`."""
        place = self._fenced(target, fence)
        place.revisions[revision] = replicas
        self._write(target, place)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        """See `Backend.quiesce`."""
        self._write(target, self._fenced(target, fence))

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """See `Backend.remove`."""
        place = self._fenced(target, fence)
        place.revisions.pop(revision, None)
        self._write(target, place)

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """See `Backend.promote`."""
        place = self._fenced(target, fence)
        place.stable = revision
        self._write(target, place)

    async def execute(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        job: Job,
        fence: Fence,
    ) -> JobState:
        """See `Backend.execute`."""
        return JobState(phase="succeeded", exit_code=0)

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """See `Backend.tail`."""
        return {}

    def _fenced(self, target: Target, fence: Fence) -> _Place:
        place = self._read(target)
        if fence.epoch < place.epoch:
            raise Fenced(f"{target.id!r} has seen epoch {place.epoch}, later than {fence.epoch}")
        place.epoch = fence.epoch
        return place

    def _path(self, target: Target) -> Path:
        return self.folder / f"{target.app}.json"

    def _read(self, target: Target) -> _Place:
        try:
            return _Place(**json.loads(self._path(target).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _Place()

    def _write(self, target: Target, place: _Place) -> None:
        path = self._path(target)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(place)), encoding="utf-8")
        new.replace(path)

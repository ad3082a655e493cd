"""The places where a deploying program can die: before and after each record and each effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, final

from fairdeploy.errors import BackupError, Refused
from fairdeploy.protocols import Preflight, RolloutController, Snapshotted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.errors import RecordError
    from fairdeploy.model import (
        BackupProof,
        Capability,
        Counters,
        DatabaseSeen,
        Delegate,
        Deployment,
        Event,
        InstanceId,
        Job,
        Plan,
        Record,
        Release,
        RevisionId,
        RolloutId,
        Routes,
        Target,
        TargetId,
        Traffic,
        Unfenced,
    )
    from fairdeploy.protocols import (
        Backend,
        Database,
        Fence,
        JobState,
        Journal,
        Lease,
        Progress,
        RolloutInfo,
        Snapshot,
        TrafficRouter,
    )

__all__ = ["Gate", "gated", "gated_database"]

T = TypeVar("T")


class Gate(Protocol):
    """What a program passes on its way to whatever others can see."""

    async def at(self, boundary: str) -> None:
        """Pass a boundary, stand still there, or never return.

        Args:
            boundary: Which, such as ``before append intended start``: the same for the same place of the same plan.
        """
        ...

    def passing(self) -> AbstractAsyncContextManager[None]:
        """Return what is entered around every call, also one that only reads or renews.

        A program that has died must not come through.
        """
        ...


def gated(backend: Backend, gate: Gate) -> Backend:
    """Return a backend, with its router and journal, whose every record and effect passes a gate before and after.

    Give it to a `Deployer` in place of the backend.

    Args:
        backend: What is acted on.
        gate: What is passed.
    """
    return _GatedBackend(backend, gate)


def gated_database(database: Database, gate: Gate) -> Database:
    """Return a database whose every effect passes a gate before and after.

    Args:
        database: What is acted on.
        gate: What is passed.
    """
    return _GatedDatabase(database, gate)


async def _through(gate: Gate, what: str, call: Awaitable[T]) -> T:
    """Await a call between its two boundaries."""
    try:
        await gate.at(f"before {what}")
    except BaseException:
        call.close()  # type: ignore[attr-defined]  # every call is a coroutine, and is not to be begun
        raise
    async with gate.passing():
        answer = await call
    await gate.at(f"after {what}")
    return answer


def _step(fence: Fence) -> str:
    return fence.key.partition(":")[2]


def _words(record: Record) -> str:
    """Name a record: its kind, and the step that it is about."""
    step = getattr(record, "step", "")
    return f"{record.kind} {step}".strip()


@final
class _GatedJournal:
    """A journal seen through a gate."""

    def __init__(self, journal: Journal, gate: Gate) -> None:
        self._journal = journal
        self._gate = gate

    @property
    def key(self) -> bytes:
        return self._journal.key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        return await _through(self._gate, "begin", self._journal.begin(rollout, plan, holder, ttl_ms))

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        call = self._journal.take(rollout, holder, ttl_ms, reason=reason, dead=dead)
        return await _through(self._gate, "take", call)

    async def renew(self, lease: Lease) -> Lease:
        async with self._gate.passing():
            return await self._journal.renew(lease)

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        what = "append " + " and ".join(_words(record) for record in records)
        return await _through(self._gate, what, self._journal.append(lease, *records, end=end))

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        return await _through(self._gate, f"send {_words(record)}", self._journal.send(rollout, record))

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        async with self._gate.passing():
            return await self._journal.read(rollout, since=since)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        async with self._gate.passing():
            return await self._journal.rollouts(target, unfinished=unfinished, damaged=damaged)


@final
class _GatedRouter:
    """A router seen through a gate."""

    def __init__(self, router: TrafficRouter, gate: Gate) -> None:
        self._router = router
        self._gate = gate

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._router.capabilities

    async def observe(self, target: Target) -> Traffic:
        async with self._gate.passing():
            return await self._router.observe(target)

    async def check(self, target: Target) -> None:
        async with self._gate.passing():
            await self._router.check(target)

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        call = self._router.apply(target, routes, fence)
        await _through(self._gate, f"route {_step(fence)}", call)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:
        async with self._gate.passing():
            return await self._router.counters(target)

    async def remove(self, target: Target, fence: Fence) -> None:
        await _through(self._gate, f"unroute {_step(fence)}", self._router.remove(target, fence))


@final
class _GatedBackend:
    """A backend seen through a gate."""

    def __init__(self, backend: Backend, gate: Gate) -> None:
        self._backend = backend
        self._gate = gate
        self._journal = _GatedJournal(backend.journal, gate)
        self._router = None if backend.router is None else _GatedRouter(backend.router, gate)

    @property
    def uri(self) -> str:
        return self._backend.uri

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._backend.capabilities

    @property
    def router(self) -> TrafficRouter | None:
        return self._router

    @property
    def journal(self) -> Journal:
        return self._journal

    async def check(self, target: Target, release: Release) -> None:
        """Refuse what cannot be started, where the backend can tell."""
        if isinstance(self._backend, Preflight):
            await self._backend.check(target, release)

    async def observe(self, target: Target) -> Deployment:
        async with self._gate.passing():
            return await self._backend.observe(target)

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
        call = self._backend.ensure(target, revision, release, replicas, fence, drained=drained)
        await _through(self._gate, f"ensure {_step(fence)}", call)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        call = self._backend.quiesce(target, instances, fence)
        await _through(self._gate, f"quiesce {_step(fence)}", call)

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        call = self._backend.remove(target, revision, fence)
        await _through(self._gate, f"remove {_step(fence)}", call)

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        call = self._backend.promote(target, revision, fence)
        await _through(self._gate, f"promote {_step(fence)}", call)

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, fence: Fence
    ) -> JobState:
        call = self._backend.execute(target, revision, release, job, fence)
        return await _through(self._gate, f"execute {_step(fence)}", call)

    async def delegate(
        self, target: Target, step: Delegate, release: Release | None, fence: Fence
    ) -> Progress:
        if not isinstance(self._backend, RolloutController):
            raise Refused("the platform of this backend rolls nothing out by itself")
        call = self._backend.delegate(target, step, release, fence)
        return await _through(self._gate, f"delegate {_step(fence)}", call)

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        async with self._gate.passing():
            return await self._backend.tail(target, revision, lines)


@final
class _GatedDatabase:
    """A database seen through a gate."""

    def __init__(self, database: Database, gate: Gate) -> None:
        self._database = database
        self._gate = gate

    def configuration(self) -> str:
        return self._database.configuration()

    async def observe(self) -> DatabaseSeen:
        async with self._gate.passing():
            return await self._database.observe()

    async def claim(self, target: TargetId, fence: Fence) -> None:
        await _through(self._gate, "claim the database", self._database.claim(target, fence))

    async def backup(self, target: TargetId, fence: Fence) -> BackupProof:
        return await _through(self._gate, f"back up {_step(fence)}", self._database.backup(target, fence))

    async def migrate(
        self,
        target: TargetId,
        to: str,
        fence: Fence,
        *,
        back: bool = False,
        backup: str = "",
        accept: str = "",
    ) -> None:
        call = self._database.migrate(target, to, fence, back=back, backup=backup, accept=accept)
        await _through(self._gate, f"migrate {_step(fence)}", call)

    async def freeze(self, target: TargetId, fence: Fence, *, frozen: bool) -> None:
        call = self._database.freeze(target, fence, frozen=frozen)
        await _through(self._gate, f"{'freeze' if frozen else 'thaw'} {_step(fence)}", call)

    async def restore(self, target: TargetId, backup: str, fence: Fence, *, accept: str = "") -> str:
        call = self._database.restore(target, backup, fence, accept=accept)
        return await _through(self._gate, f"restore {_step(fence)}", call)

    async def snapshot_before(self, at_ms: int) -> Snapshot | None:
        if not isinstance(self._database, Snapshotted):
            return None
        async with self._gate.passing():
            return await self._database.snapshot_before(at_ms)

    async def restore_snapshot(
        self, target: TargetId, snapshot: str, fence: Fence, *, to: str, accept: str = ""
    ) -> str:
        if not isinstance(self._database, Snapshotted):
            raise BackupError("nobody keeps snapshots of this database")
        call = self._database.restore_snapshot(target, snapshot, fence, to=to, accept=accept)
        return await _through(self._gate, f"restore {_step(fence)}", call)

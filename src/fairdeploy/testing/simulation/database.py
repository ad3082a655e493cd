"""A database in memory, in the time of a world: versions, rows, backups, and half migrations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, final

import anyio

from fairdeploy.errors import BackupError, ConsentRequired, DatabaseError
from fairdeploy.model import BackupProof, DatabaseSeen, LossReport, TableLoss
from fairdeploy.protocols import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fairdeploy.model import MigrationClass, TargetId
    from fairdeploy.protocols import Fence
    from fairdeploy.testing.simulation.world import World

    Act = Callable[[], bool]

__all__ = ["Contents", "SimulatedDatabase", "SimulatedMigration", "SimulatedStore"]


@final
@dataclass(frozen=True, slots=True)
class SimulatedMigration:
    """A migration, as a simulated database runs it.

    Args:
        version: What it leads to.
        change: What it is; its way back loses what was written since, unless it is additive or ``loses`` says none.
        fails: How it fails: ``clean`` leaves the schema as it was, ``half`` does not; ``None``: it does not fail.
        seconds: How long it takes.
        loses: Whether its way back takes rows away that were written since.
        breaks_back: Whether its way back fails half-way.
    """

    version: str
    change: MigrationClass = "additive"
    fails: Literal["clean", "half"] | None = None
    seconds: float = 0.2
    loses: bool = False
    breaks_back: bool = False


@final
@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds at one moment.

    Args:
        version: Of its schema.
        half: What half a migration has left; empty if none has.
        rows: How many rows were written.
    """

    version: str
    half: str = ""
    rows: int = 0

    @property
    def schema(self) -> str:
        """A text that stands for the schema's hash."""
        return f"schema of {self.version}{self.half}"


@final
@dataclass(slots=True)
class SimulatedStore:
    """What outlives a program: give the same store to several databases to see it from several.

    Args:
        migrations: In order; the first one is where it begins.
        writes: Whether somebody writes a row with each effect, while it may be written.
        backup_seconds: How long a backup takes, and restoring it.
        broken: Whether its backups hold nothing that can be restored.
    """

    migrations: tuple[SimulatedMigration, ...]
    writes: bool = False
    backup_seconds: float = 0.2
    broken: bool = False
    held: Contents = field(init=False)
    frozen: bool = False
    lost: int = 0
    backups: dict[str, Contents] = field(default_factory=dict)
    snapshots: dict[str, tuple[int, Contents]] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin at the first version."""
        self.held = Contents(self.migrations[0].version)

    @property
    def version(self) -> str:
        """The version of its schema."""
        return self.held.version

    @property
    def half(self) -> bool:
        """Whether its schema is what half a migration has left."""
        return bool(self.held.half)

    def keep(self, snapshot: str, at_ms: int) -> None:
        """Keep a snapshot of what it holds, as of a moment in milliseconds since 1970."""
        self.snapshots[snapshot] = (at_ms, self.held)

    def write(self) -> None:
        """Write a row, if that is possible."""
        if self.writes and not self.frozen:
            self.held = replace(self.held, rows=self.held.rows + 1)

    def place(self, version: str) -> int:
        """Return where a version stands in the order.

        Raises:
            DatabaseError: If there is none.
        """
        for number, each in enumerate(self.migrations):
            if each.version == version:
                return number
        msg = f"there is no version {version!r}: the database is newer than the code"
        raise DatabaseError(msg)


@final
class SimulatedDatabase:
    """A `Database` in memory.

    Args:
        world: Whose time, faults and hooks it shares: its calls are ``database.backup``, ``database.migrate``,
            ``database.freeze``, ``database.restore``, ``database.claim`` and ``database.observe``.
        store: What it acts on.
        name: Its own, in messages and effects.
    """

    def __init__(self, world: World, store: SimulatedStore, *, name: str = "shop") -> None:
        self._world = world
        self._store = store
        self._name = name

    def configuration(self) -> str:
        """See `Database.configuration`."""
        return f"simulated {self._name}"

    async def observe(self) -> DatabaseSeen:
        """See `Database.observe`.

        Raises:
            DatabaseError: By a fault.
        """
        await self._world.troubled("database.observe")
        held = self._store.held
        return DatabaseSeen(
            version=held.version,
            schema=held.schema,
            frozen=self._store.frozen,
            restore_ms=round(self._store.backup_seconds * 1000) if self._store.backups else None,
        )

    async def claim(self, target: TargetId, fence: Fence) -> None:
        """See `Database.claim`.

        Raises:
            Fenced: If a newer epoch was seen.
            DatabaseError: By a fault.
        """
        await self._effect("claim", target, fence, "", lambda: False)

    async def backup(self, target: TargetId, fence: Fence) -> BackupProof:
        """See `Database.backup`.

        Raises:
            Fenced: If a newer epoch was seen.
            BackupError: If its backups are broken.
            DatabaseError: By a fault.
        """
        taken = self._store.held
        await anyio.sleep(2 * self._store.backup_seconds)

        def act() -> bool:
            if self._store.broken:
                raise BackupError(f"the backup of {self._name!r} cannot be restored")
            new = fence.key not in self._store.backups
            self._store.backups.setdefault(fence.key, taken)
            return new

        await self._effect("backup", target, fence, fence.key, act)
        return BackupProof(fence.key.replace(":", "-"), restore_ms=round(self._store.backup_seconds * 1000))

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
        """See `Database.migrate`.

        Raises:
            Fenced: If a newer epoch was seen.
            ConsentRequired: If the way back would lose something.
            BackupError: If there is no such backup to try it on.
            DatabaseError: If a migration fails, or by a fault.
        """
        store = self._store
        here, there = store.place(store.version), store.place(to)
        between = store.migrations[there + 1 : here + 1] if back else store.migrations[here + 1 : there + 1]
        await anyio.sleep(sum(each.seconds for each in between))

        if back and backup and backup not in store.backups:
            raise BackupError(f"there is no backup {backup!r}")

        def act() -> bool:
            return self._taken_back(between, to, accept) if back else self._taken_on(between)

        await self._effect("migrate", target, fence, to, act)

    def _taken_on(self, between: Sequence[SimulatedMigration]) -> bool:
        store = self._store
        for each in between:
            if each.fails == "half":
                store.held = replace(store.held, half=f" and half of {each.version}")
            if each.fails is not None:
                raise DatabaseError(f"migration {each.version!r} failed")
            store.held = replace(store.held, version=each.version, half="")
        return bool(between)

    def _taken_back(self, between: Sequence[SimulatedMigration], to: str, accept: str) -> bool:
        store = self._store
        if any(each.change == "destructive" for each in between):
            raise DatabaseError(f"there is no way back to {to!r}")
        if any(each.loses for each in between):
            report = self._report(store.held.rows, f"version {to!r}")
            self._refuse(report, accept)
            store.lost += store.held.rows
        if store.version == to:
            return False
        if broken := next((each for each in between if each.breaks_back), None):
            store.held = replace(store.held, half=f" without half of {broken.version}")
            raise DatabaseError(f"the way back of migration {broken.version!r} failed")
        store.held = replace(store.held, version=to, half="")
        return True

    async def freeze(self, target: TargetId, fence: Fence, *, frozen: bool) -> None:
        """See `Database.freeze`.

        Raises:
            Fenced: If a newer epoch was seen.
            DatabaseError: By a fault.
        """

        def act() -> bool:
            before, self._store.frozen = self._store.frozen, frozen
            return before != frozen

        await self._effect("freeze" if frozen else "thaw", target, fence, "", act)

    async def restore(self, target: TargetId, backup: str, fence: Fence, *, accept: str = "") -> str:
        """See `Database.restore`.

        Raises:
            Fenced: If a newer epoch was seen.
            ConsentRequired: If something would be lost.
            BackupError: If there is no such backup.
            DatabaseError: By a fault.
        """
        await self._put(self._store.backups.get(backup), f"backup {backup!r}", target, fence, accept)
        return f"backup {backup!r} is in its place"

    async def snapshot_before(self, at_ms: int) -> Snapshot | None:
        """See `Snapshotted.snapshot_before`."""
        kept = [(at, name) for name, (at, _) in self._store.snapshots.items() if at < at_ms]
        if not kept:
            return None
        at, name = max(kept)
        return Snapshot(name, database=self._name, at_ms=at, ready=True)

    async def restore_snapshot(
        self, target: TargetId, snapshot: str, fence: Fence, *, to: str, accept: str = ""
    ) -> str:
        """See `Snapshotted.restore_snapshot`.

        Raises:
            Fenced: If a newer epoch was seen.
            ConsentRequired: If something would be lost.
            BackupError: If there is no such snapshot, or it holds another version.
            DatabaseError: By a fault.
        """
        _, kept = self._store.snapshots.get(snapshot, (0, None))
        if kept is not None and kept.version != to:
            raise BackupError(f"snapshot {snapshot!r} is at version {kept.version!r}, not at {to!r}")
        await self._put(kept, f"snapshot {snapshot!r}", target, fence, accept)
        return f"snapshot {snapshot!r} is in its place"

    async def _put(
        self, kept: Contents | None, source: str, target: TargetId, fence: Fence, accept: str
    ) -> None:
        store = self._store
        await anyio.sleep(store.backup_seconds)

        def act() -> bool:
            if fence.key in store.restored:
                return False
            if kept is None:
                raise BackupError(f"there is no {source}")
            store.frozen = True
            lost = store.held.rows - kept.rows
            if lost:
                self._refuse(self._report(lost, source), accept)
            store.lost += lost
            store.restored.add(fence.key)
            store.held, store.frozen = kept, False
            return True

        await self._effect("restore", target, fence, source, act)

    def _report(self, lost: int, to: str) -> LossReport:
        tables = (TableLoss("public.orders", lost=lost),) if lost else ()
        return LossReport(database=self._name, to=to, tables=tables)

    @staticmethod
    def _refuse(report: LossReport, accept: str) -> None:
        if not report.nothing and accept not in {"any", report.digest}:
            raise ConsentRequired(f"{report}", report)

    async def _effect(self, verb: str, target: TargetId, fence: Fence, detail: str, act: Act) -> None:
        name = f"database.{verb}"
        effect = self._world.effect(name, target, fence, f"{self._name} {detail}".strip())
        self._store.write()
        await self._world.call(name, effect, act)

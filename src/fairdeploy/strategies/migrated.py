"""Migrate a database before the new revision starts, and know the way back."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    Backup,
    Capability,
    Deployment,
    Freeze,
    Migrate,
    MigrationClass,
    OnLoss,
    Plan,
    Promote,
    Release,
    Scale,
    Shift,
    Start,
    Target,
    Thaw,
    _check,
)
from fairdeploy.protocols import Strategy
from fairdeploy.strategies._arguments import Duration, duration, ms
from fairdeploy.strategies._insert import free_id

if TYPE_CHECKING:
    from fairdeploy.model import Base, Step

__all__ = ["Migrated"]

_BACK = {
    "additive": "stays, whatever becomes of the release: the version before lives with it",
    "reversible": "goes back by its migrations, once the application is back, if that loses nothing",
    "destructive": "goes back by the backup only",
}


@final
@dataclass(frozen=True, slots=True)
class Migrated:
    """The database is migrated (expand) before the candidate starts; what is taken away comes later, by `contract_plan`.

    If the release goes back, the application goes first, then the database as far as it may go unattended: see
    ``change`` and ``on_loss``.

    Args:
        inner: The strategy that deploys.
        database: The database's name in ``Deployer(databases=...)``.
        to: The version of its schema that the release needs.
        change: What kind of change that is; see `MigrationClass`. The stable revision runs on the new schema for a
            while: what it cannot live with needs `Recreate`, or to be split into an addition now and a contract later.
        backup: Whether a backup is taken and proved first; ``None``: unless the change is additive.
        on_loss: What follows if going back would lose rows that were written since: ``freeze`` leaves the
            database readable and asks a person, ``restore`` is consent given beforehand, and needs the backup.
        read_only: Nobody writes from the backup to the promotion: then a restore loses nothing. Requests that
            write fail meanwhile.
        deadline: Longest time for the migration, a ``timedelta`` or a number of seconds.
        backup_deadline: Longest time for the backup and its proof.

    Raises:
        InvalidInput: If a value is out of range, or ``on_loss="restore"`` has no backup.

    Example:
        >>> from fairdeploy.strategies import BlueGreen
        >>> Migrated(BlueGreen(), database="shop", to="0042", change="reversible").takes_backup
        True
    """

    inner: Strategy
    _: KW_ONLY
    database: str
    to: str
    change: MigrationClass = "additive"
    backup: bool | None = None
    on_loss: OnLoss = "freeze"
    read_only: bool = False
    deadline: Duration = timedelta(minutes=15)
    backup_deadline: Duration = timedelta(hours=1)

    def __post_init__(self) -> None:
        """Prove names, choices and durations."""
        _check.flag(self.read_only, "read_only")
        if self.backup is not None:
            _check.flag(self.backup, "backup")
        object.__setattr__(self, "deadline", duration(self.deadline, "deadline", low=1_000))
        object.__setattr__(
            self, "backup_deadline", duration(self.backup_deadline, "backup_deadline", low=1_000)
        )
        if self.on_loss == "restore" and not self.takes_backup:
            msg = "on_loss='restore' needs a backup to restore: give backup=True"
            raise InvalidInput(msg)
        Migrate("migrate", target="", database=self.database, to=self.to, change=self.change)
        if self.on_loss not in {"freeze", "restore"}:
            msg = f"on_loss must be 'freeze' or 'restore', not {self.on_loss!r}"
            raise InvalidInput(msg)

    @property
    def takes_backup(self) -> bool:
        """Whether the plan takes a backup."""
        return self.change != "additive" if self.backup is None else self.backup

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the inner plan, with the database's steps before the candidate's first one.

        Raises:
            UnsupportedCapability: As the inner strategy.
            InvalidInput: As the inner strategy.
        """
        plan = self.inner.plan(release, target, deployment, capabilities)
        base = plan.base(target.id)
        if base.candidate is None:
            note = f"Database: {self.database} is not touched, as {base.stable} is stable already."
            return replace(plan, notes=(*plan.notes, note))
        at = next((i for i, step in enumerate(plan.steps) if _begins(step, base)), 0)
        steps = [*plan.steps[:at], *self._steps(plan, target), *plan.steps[at:]]
        if self.read_only:
            promotes = next((i for i, step in enumerate(steps) if isinstance(step, Promote)), len(steps) - 1)
            thaw = Thaw(free_id(plan, "thaw"), target=target.id, database=self.database)
            steps.insert(promotes + 1, thaw)
        # The application is back long before; this is for what a restore may take.
        more = ms(self.deadline) + 2 * ms(self.backup_deadline) * self.takes_backup
        undo = replace(plan.undo, deadline_ms=plan.undo.deadline_ms + more)
        return replace(plan, steps=tuple(steps), undo=undo, notes=(*plan.notes, *self._notes()))

    def _steps(self, plan: Plan, target: Target) -> list[Step]:
        backup = free_id(plan, "backup") if self.takes_backup else ""
        steps: list[Step] = []
        if self.read_only:
            steps.append(Freeze(free_id(plan, "freeze"), target=target.id, database=self.database))
        if backup:
            steps.append(
                Backup(backup, target=target.id, database=self.database, deadline_ms=ms(self.backup_deadline))
            )
        steps.append(
            Migrate(
                free_id(plan, "migrate"),
                target=target.id,
                database=self.database,
                to=self.to,
                change=self.change,
                backup=backup,
                on_loss=self.on_loss,
                deadline_ms=ms(self.deadline),
            )
        )
        return steps

    def _notes(self) -> list[str]:
        notes = [
            f"Database: {self.database} is migrated to {self.to} before the release starts; it {_BACK[self.change]}."
        ]
        if self.change != "additive":
            agreed = (
                "rows written since the backup may be lost, as agreed (on_loss='restore')"
                if self.on_loss == "restore"
                else "where rows would be lost, it is frozen and a person is asked"
            )
            notes.append(f"Loss: {agreed}.")
        if self.read_only:
            notes.append("Writes: none from the backup to the promotion; requests that write fail.")
        return notes


def _begins(step: Step, base: Base) -> bool:
    """Whether a step starts the candidate, or gives traffic to one that is warm."""
    if isinstance(step, (Start, Scale)):
        return step.revision == base.candidate and step.target == base.target.id
    return isinstance(step, Shift) and step.split is not None and step.split.share(base.candidate or "") > 0

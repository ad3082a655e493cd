"""The lowest rung that is enough for a database when its application goes back: a pure choice, with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from fairdeploy.errors import Refused
from fairdeploy.model import Backup, Freeze, Migrate, Restore
from fairdeploy.model._words import duration

if TYPE_CHECKING:
    from fairdeploy.model import DatabaseSeen, DatabaseStep, RevisionId, RolloutId, TargetId
    from fairdeploy.protocols import RolloutInfo, Snapshot
    from fairdeploy.rollback.managed import ManagedDatabase

__all__ = ["Rung", "Way", "back_steps", "by_snapshot", "left_ms", "migrated_since", "way_back"]

Rung: TypeAlias = Literal["application", "expand", "migrations", "backup", "snapshot", "none"]
"""``application``: nothing to do. ``expand``: what was added stays. ``migrations``: backwards, where that loses nothing.
``backup``: the one from before, restored beside and swapped in. ``snapshot``: one that a provider keeps from before,
restored beside and switched to. ``none``: no way is known."""

_WORDS = {
    "application": "stays as it is",
    "expand": "stays as it is",
    "migrations": "goes back by its migrations",
    "backup": "goes back to the backup from before, restored beside it and swapped in",
    "snapshot": "goes back to a snapshot from before, restored beside it and switched to",
    "none": "cannot go back",
}


@final
@dataclass(frozen=True, slots=True)
class Way:
    """How a database goes back, and why so.

    Args:
        database: Which.
        rung: See `Rung`.
        why: On what grounds.
        version: Where it is.
        to: Where the earlier release would have it.
        rollout: Whose backup leads back.
        backup: Which step of it took that.
        snapshot: The provider's id of a snapshot that leads back.
        restore_ms: How long restoring its last proved backup took; ``None``: there is none.
    """

    database: str
    _: KW_ONLY
    rung: Rung
    why: str
    version: str
    to: str = ""
    rollout: RolloutId = ""
    backup: str = ""
    snapshot: str = ""
    restore_ms: int | None = None

    @property
    def ahead(self) -> bool:
        """Whether the database is newer than the release to go back to."""
        return self.rung not in {"application", "expand"}

    def __str__(self) -> str:
        """Return it as a sentence."""
        where = f" from {self.version!r} to {self.to!r}" if self.ahead else f" at {self.version!r}"
        taken = ""
        if self.ahead and self.restore_ms is not None:
            taken = f"; restoring its last proved backup took {duration(self.restore_ms)}"
        return f"database {self.database!r}{where} {_WORDS[self.rung]}: {self.why}{taken}"

    def steps(self, target: TargetId, *, accept: str) -> list[DatabaseStep]:
        """Return the steps that take the database there, once the application is back.

        Args:
            target: For whose sake.
            accept: The digest of a loss that is agreed to.
        """
        name = self.database
        if self.rung not in {"migrations", "backup", "snapshot"}:
            return []
        if self.rung == "migrations":
            return back_steps(target, name, self.to, accept=accept)
        restore = Restore(
            f"restore-{name}",
            target=target,
            database=name,
            backup=self.backup,
            rollout=self.rollout,
            snapshot=self.snapshot,
            to=self.to if self.snapshot else "",
            accept=accept,
        )
        return [restore]

    def frozen(self, target: TargetId) -> Freeze:
        """Return the step that lets the database be read, and not written."""
        return Freeze(f"freeze-{self.database}", target=target, database=self.database)


def back_steps(
    target: TargetId, name: str, to: str, *, accept: str, on_loss: Literal["freeze", "restore"] = "freeze"
) -> list[DatabaseStep]:
    """Return the steps that take a database back by its migrations: a proved backup first, which leads back from them."""
    backup = Backup(f"backup-{name}", target=target, database=name)
    # Half of a way back is undone by the backup alone: `destructive`.
    back = Migrate(
        f"back-{name}",
        target=target,
        database=name,
        to=to,
        phase="back",
        change="destructive",
        backup=backup.id,
        on_loss=on_loss,
        accept=accept,
    )
    return [backup, back]


def migrated_since(
    infos: Sequence[RolloutInfo], target: TargetId, wanted: RevisionId, database: str
) -> tuple[tuple[RolloutInfo, Migrate], ...]:
    """Return how a database was migrated by what was promoted after a revision, oldest first."""
    found: list[tuple[RolloutInfo, Migrate]] = []
    for info in infos:
        if info.result is None or not info.result.promoted:
            continue
        if any(b.target.id == target and b.candidate == wanted for b in info.plan.bases):
            found = []
            continue
        found += [
            (info, step)
            for step in info.plan.steps
            if isinstance(step, Migrate) and step.database == database and step.phase == "expand"
        ]
    return tuple(found)


def left_ms(infos: Sequence[RolloutInfo], target: TargetId, wanted: RevisionId) -> int | None:
    """Return when the first deployment began that left a revision behind, in milliseconds since 1970."""
    left: int | None = None
    for info in infos:
        if info.result is None or not info.result.promoted:
            continue
        if any(b.target.id == target and b.candidate == wanted for b in info.plan.bases):
            left = None
        elif left is None:
            left = info.began_ms
    return left


def by_snapshot(way: Way, found: Snapshot | None) -> Way:
    """Return a way where there was none, if a provider has a snapshot from before."""
    if found is None:
        return way
    why = f"{way.why}; snapshot {found.id!r} is from before"
    return replace(way, rung="snapshot", why=why, snapshot=found.id)


def way_back(
    name: str,
    known: ManagedDatabase,
    seen: DatabaseSeen,
    release: str,
    since: Sequence[tuple[RolloutInfo, Migrate]],
) -> Way:
    """Return the lowest rung that is enough.

    Args:
        name: The database.
        known: What its owner says of it.
        seen: What is there.
        release: The version of the release to go back to.
        since: What was done to it since that release was promoted; see `migrated_since`.

    Raises:
        Refused: If it took something away that the release needs.
    """
    fitting, at = known.serves.get(release), seen.version

    def way(rung: Rung, why: str, to: str = "", by: tuple[RolloutInfo, Migrate] | None = None) -> Way:
        rollout, backup = (by[0].id, by[1].backup) if by else ("", "")
        return Way(
            name,
            rung=rung,
            why=why,
            version=at,
            to=to,
            rollout=rollout,
            backup=backup,
            restore_ms=seen.restore_ms,
        )

    if fitting is not None and at in fitting:
        return way("application", f"release {release!r} works with it")
    if fitting is not None and at in known.contracts:
        msg = (
            f"database {name!r} is at {at!r}, a contract migration that took away what release {release!r} needs: "
            "the time to go back ended with it. Deploy a release that mends what is wrong, or put a backup in its place"
        )
        raise Refused(msg)
    if fitting is None and not since:
        return way("application", f"nothing was migrated since release {release!r}")
    to = fitting[-1] if fitting is not None else since[0][1].since
    if at == to:
        return way("application", "it is there already")
    if fitting is None and all(step.change == "additive" for _, step in since):
        return way("expand", f"what was added since release {release!r} is no trouble for it")
    if all(step.change != "destructive" for _, step in since):
        return way("migrations", "they are declared to be reversible", to)
    if since[0][1].since != to or not since[0][1].backup:
        return way("none", "rows or values were taken away, and no backup from before is known", to)
    return way("backup", "rows or values were taken away since", to, since[0])

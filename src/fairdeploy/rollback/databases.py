"""Acting on a database alone, for the sake of a target: back by its migrations, back by a backup, and thawed."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from fairdeploy.engine.lease import refuse_unknown
from fairdeploy.engine.place import place_of
from fairdeploy.errors import InvalidInput, RollbackError
from fairdeploy.model import Backup, DatabaseStep, Migrate, OnLoss, Restore, Target, Thaw
from fairdeploy.protocols import Snapshotted
from fairdeploy.rollback.carrying import acted
from fairdeploy.rollback.ladder import back_steps

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import RolloutResult
    from fairdeploy.protocols import Database, RolloutInfo

__all__ = ["DatabaseRollback", "put_back", "take_back", "thawed"]

_Place: TypeAlias = tuple[Target | None, str | None]
"""For whose sake, and the name of its backend, where that has to be said."""


@final
@dataclass(frozen=True, slots=True)
class DatabaseRollback:
    """A database that went back by its migrations.

    Args:
        version: Where it is now.
        before: Where it was.
        result: The rollout that took it back; ``None``: it was there already, and nothing was done.
    """

    version: str
    _: KW_ONLY
    before: str
    result: RolloutResult | None = None


async def take_back(
    desk: Desk, version: str, *, database: str | None, place: _Place, accept: str, on_failure: OnLoss
) -> DatabaseRollback:
    """Take a database back to a version; see `RollbackManager.database_rollback`.

    Raises:
        InvalidInput: If there is no such database, or no target is known.
        ConsentRequired: If rows or values would be lost; nothing has changed.
        RollbackError: If it could not go back.
    """
    refuse_unknown(on_failure, OnLoss, "on_failure")
    name, there = _database(desk, database)
    target, backend = await _whose(desk, name, place)
    seen = await there.observe()
    if seen.version == version:
        return DatabaseRollback(version, before=version)
    steps = back_steps(target.id, name, version, accept=accept, on_loss=on_failure)
    result = await acted(desk, target, backend, steps)
    return DatabaseRollback(version, before=seen.version, result=result)


async def put_back(desk: Desk, info: RolloutInfo, *, database: str | None, accept: str) -> RolloutResult:
    """Put the backup of a rollout in the place of a database; see `RollbackManager.restore_backup`.

    Raises:
        RollbackError: If there is none, or it could not be restored.
        ConsentRequired: If something would be lost; nothing has changed.
    """
    name, there = _database(desk, database)
    steps = [step for step in info.plan.steps if isinstance(step, DatabaseStep) and step.database == name]
    taken = next((step for step in steps if isinstance(step, Backup)), None)
    moved = next((step for step in steps if isinstance(step, Migrate)), None)
    if taken is not None:
        step = Restore(
            "restore", target=taken.target, database=name, backup=taken.id, rollout=info.id, accept=accept
        )
    elif moved is not None and (found := await _snapshot_before(there, info.began_ms)):
        step = Restore(
            "restore", target=moved.target, database=name, snapshot=found, to=moved.since, accept=accept
        )
    else:
        msg = f"rollout {info.id!r} took no backup of database {name!r}, and no snapshot from before it is known: nothing has changed"
        raise RollbackError(msg)
    base = info.plan.base(step.target)
    return await acted(desk, base.target, base.backend, [step], verb="Restore")


async def _snapshot_before(there: Database, at_ms: int) -> str:
    found = await there.snapshot_before(at_ms) if isinstance(there, Snapshotted) else None
    return found.id if found is not None else ""


async def thawed(desk: Desk, database: str | None, place: _Place) -> RolloutResult:
    """Let a database be written again; see `RollbackManager.thaw`.

    Raises:
        RollbackError: If it could not be done.
    """
    name, _ = _database(desk, database)
    target, backend = await _whose(desk, name, place)
    return await acted(desk, target, backend, [Thaw("thaw", target=target.id, database=name)], verb="Thaw")


def _database(desk: Desk, name: str | None) -> tuple[str, Database]:
    known = desk.databases
    if name is None and len(known) == 1:
        name = next(iter(known))
    if name is None or name not in known:
        msg = f"there is no database {name!r}: name one of {sorted(known)!r} with database=..."
        raise InvalidInput(msg)
    return name, known[name]


async def _whose(desk: Desk, database: str, place: _Place) -> tuple[Target, str]:
    """Return for whose sake a database is acted on: who was said, or the only one that is known."""
    target, backend = place
    if target is not None:
        return target, place_of(desk, target, backend)[0]
    found: dict[str, tuple[Target, str]] = {}
    for journal in desk.journals():
        infos = await journal.rollouts()
        about = [
            i
            for i in infos
            if any(isinstance(s, DatabaseStep) and s.database == database for s in i.plan.steps)
        ]
        for info in about or infos:
            found |= {base.target.id: (base.target, base.backend) for base in info.plan.bases}
    if len(found) == 1:
        return next(iter(found.values()))
    msg = f"say for which target database {database!r} is acted on, with target=...: known are {sorted(found)!r}"
    raise InvalidInput(msg)

"""What a deployment is gone back from, to what, and how its databases follow. Looks, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.planning import releases_of
from fairdeploy.engine.versions import ROLLBACK, previous_verified
from fairdeploy.errors import FairdeployError, Refused
from fairdeploy.protocols import Snapshotted
from fairdeploy.rollback.going import Leg
from fairdeploy.rollback.ladder import Way, by_snapshot, left_ms, migrated_since, way_back
from fairdeploy.rollback.managed import ManagedDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.engine.desk import Desk
    from fairdeploy.model import Release
    from fairdeploy.protocols import RolloutInfo
    from fairdeploy.rollback.managed import OnAhead

__all__ = ["legs_of", "refuse_gone", "ways_of"]


async def legs_of(desk: Desk, info: RolloutInfo, to: str | None) -> tuple[tuple[Leg, Release], ...]:
    """Return where a deployment is gone back from, and the releases to go back to: of each of its targets.

    Raises:
        RollbackError: If nothing verified is there to go back to.
        JournalError: If the journal cannot be read.
    """
    found = []
    for base in info.plan.bases:
        target = base.target
        infos = await desk.backend(base.backend).journal.rollouts(target.id)
        if info.open and to is None and base.stable is not None:
            leg, revision = Leg(target, base.backend, None), base.stable
        else:
            revision = previous_verified(target.id, infos, base.candidate or base.stable, to)
            leg = Leg(target, base.backend, revision)
        found.append((leg, releases_of(infos)[revision]))
    return tuple(found)


async def ways_of(
    desk: Desk, known: Mapping[str, ManagedDatabase], leg: Leg, release: Release, on_ahead: OnAhead
) -> list[Way]:
    """Return how each database goes back with a target. To be frozen, it need not be there to be looked at.

    Raises:
        DatabaseError: If one cannot be looked at.
        Refused: If it took something away that the release needs.
    """
    infos = await desk.backend(leg.backend).journal.rollouts(leg.target.id)
    ways = []
    for name, database in desk.databases.items():
        managed = known.get(name, ManagedDatabase())
        since = migrated_since(infos, leg.target.id, release.revision, name)
        if not since and release.version not in managed.serves:
            continue
        try:
            seen = await database.observe()
        except FairdeployError as error:
            if on_ahead not in {"freeze", "keep"}:
                raise
            ways.append(Way(name, rung="none", why=f"it cannot be looked at ({error})", version="?"))
            continue
        way = way_back(name, managed, seen, release.version, since)
        left = left_ms(infos, leg.target.id, release.revision)
        if way.rung == "none" and left is not None and isinstance(database, Snapshotted):
            way = by_snapshot(way, await database.snapshot_before(left))
        ways.append(way)
    return ways


async def refuse_gone(desk: Desk, info: RolloutInfo) -> None:
    """Do nothing if a deployment is one that can be gone back from.

    Raises:
        Refused: If not.
    """
    if info.plan.strategy == ROLLBACK:
        msg = f"deployment {info.id!r} is a rollback itself, which is never gone back from by itself: deploy, or Deployer.rollback(target, to=...)"
        raise Refused(msg)
    if info.result is None:
        return
    if not info.result.promoted:
        msg = f"deployment {info.id!r} has ended already ({info.result.outcome}): there is nothing to go back from"
        raise Refused(msg)
    for base in info.plan.bases:
        stable = (await desk.observe(base)).stable
        if base.candidate is None or base.candidate != stable:
            msg = f"deployment {info.id!r} brought {base.candidate!r}, but {stable!r} is stable at {base.target.id!r}: name the deployment that serves"
            raise Refused(msg)

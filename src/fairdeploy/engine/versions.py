"""Which revisions a target can go back to: a pure reading of its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairdeploy.engine.planning import releases_of
from fairdeploy.errors import RollbackError

if TYPE_CHECKING:
    from fairdeploy.model import RevisionId, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["ROLLBACK", "previous_verified", "verified"]

ROLLBACK = "Rollback"
"""What plans that go back are called."""


def verified(target: TargetId, infos: Sequence[RolloutInfo]) -> list[RevisionId]:
    """Return the revisions that were promoted and never left by a rollback, oldest first.

    A rollback condemns what it leaves: going back once more goes further back, never to the
    revision that was just left (Kargo's rule: a rollback is never rolled back by itself).
    """
    line: list[RevisionId] = []
    for info in infos:
        if info.result is None or not info.result.promoted:
            continue
        candidate = next((b.candidate for b in info.plan.bases if b.target.id == target), None)
        if candidate is None:
            continue
        if info.plan.strategy == ROLLBACK and candidate in line:
            line = line[: line.index(candidate) + 1]
        else:
            line = [revision for revision in line if revision != candidate] + [candidate]
    return line


def previous_verified(
    target: TargetId, infos: Sequence[RolloutInfo], stable: RevisionId | None, to: str | None
) -> RevisionId:
    """Return the revision to go back to.

    Args:
        target: Of which target.
        infos: Its rollouts, oldest first.
        stable: What is stable now.
        to: A version or revision id, or ``None`` for the last verified one before stable.

    Raises:
        RollbackError: If there is none.
    """
    line = verified(target, infos)
    if to is None:
        before = line[: line.index(stable)] if stable in line else [r for r in line if r != stable]
        if before:
            return before[-1]
        msg = f"target {target!r} has no verified revision before {stable!r} to go back to"
        raise RollbackError(msg)
    releases = releases_of(infos)
    fitting = [revision for revision in line if to == revision or releases[revision].version == to]
    if fitting:
        return fitting[-1]
    known = [f"{releases[revision].version} ({revision})" for revision in line]
    msg = f"target {target!r} was never promoted to {to!r}; verified are {known!r}"
    raise RollbackError(msg)

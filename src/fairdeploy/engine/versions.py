"""Which revisions a target can go back to: a pure reading of its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairdeploy.engine.planning import releases_of
from fairdeploy.errors import NoWayBack
from fairdeploy.model import Migrate, Outcome

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
        if info.result is None:
            continue
        if _contracted(info, target):
            line = [stable for b in info.plan.bases if b.target.id == target and (stable := b.stable)]
            continue
        # A rollback that needs attention may have been promoted, with a database that could not follow.
        tried = info.plan.strategy == ROLLBACK and info.result.outcome is Outcome.NEEDS_ATTENTION
        if not info.result.promoted and not tried:
            continue
        candidate = next((b.candidate for b in info.plan.bases if b.target.id == target), None)
        if candidate is None:
            continue
        if info.plan.strategy == ROLLBACK and candidate in line:
            line = line[: line.index(candidate) + 1]
        else:
            line = [revision for revision in line if revision != candidate] + [candidate]
    return line


def _contracted(info: RolloutInfo, target: TargetId) -> bool:
    """Whether a rollout has taken away, or begun to take away, what older revisions need of a database."""
    took = any(
        isinstance(step, Migrate) and step.phase == "contract" and step.target == target
        for step in info.plan.steps
    )
    return (
        took
        and info.result is not None
        and info.result.outcome in {Outcome.PROMOTED, Outcome.NEEDS_ATTENTION}
    )


def _why_none(target: TargetId, infos: Sequence[RolloutInfo]) -> str:
    """Say which migration has ended the rollback window, if one has."""
    ended = [info.id for info in infos if _contracted(info, target)]
    if not ended:
        return ""
    return (
        f"; rollout {ended[-1]} has contracted the database, which ended the rollback window: older revisions "
        "cannot live with its schema. Deploy a fix instead"
    )


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
        NoWayBack: If there is none.
    """
    line = verified(target, infos)
    if to is None:
        before = line[: line.index(stable)] if stable in line else [r for r in line if r != stable]
        if before:
            return before[-1]
        msg = f"target {target!r} has no verified revision before {stable!r} to go back to{_why_none(target, infos)}"
        raise NoWayBack(msg)
    releases = releases_of(infos)
    fitting = [revision for revision in line if to == revision or releases[revision].version == to]
    if fitting:
        return fitting[-1]
    known = [f"{releases[revision].version} ({revision})" for revision in line]
    msg = f"target {target!r} was never promoted to {to!r}; verified are {known!r}{_why_none(target, infos)}"
    raise NoWayBack(msg)

"""What of a journal may be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.engine.versions import verified
from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fairdeploy.model import RevisionId, RolloutId, TargetId
    from fairdeploy.protocols import Archive, RolloutInfo

__all__ = ["forgettable", "prune"]


async def prune(journal: Archive, *, before: datetime, keep: int = 10) -> tuple[RolloutId, ...]:
    """Remove old rollouts with their records from a journal, and return which.

    What is needed stays, however old: what is open or has something due, the newest rollout of each target, what
    `Deployer.rollback` must know to go back through the last ``keep`` verified revisions, and who knows a release that
    an open rollout needs.

    Args:
        journal: Where.
        before: Only rollouts that ended before this time, with its time zone.
        keep: Verified revisions of each target that one can go back through, 2 to 1,000, the stable one included.

    Raises:
        InvalidInput: If an argument cannot be right.
        JournalError: If the journal cannot be read or written.
    """
    if before.tzinfo is None:
        raise InvalidInput(f"before={before!r} has no time zone: say datetime(..., tzinfo=UTC)")
    if not 2 <= keep <= 1_000:
        raise InvalidInput(
            f"keep must be 2 to 1,000 verified revisions, not {keep!r}: one is stable, the others to go back to"
        )
    infos = await journal.rollouts()
    return await journal.forget(forgettable(infos, round(before.timestamp() * 1000), keep))


def forgettable(infos: Sequence[RolloutInfo], before_ms: int, keep: int) -> tuple[RolloutId, ...]:
    """Return which rollouts may go, oldest first; see `prune`.

    Args:
        infos: All of a journal, oldest first.
        before_ms: Only those that ended before, milliseconds since 1970.
        keep: Verified revisions of each target.
    """
    stay = {info.id for info in infos if info.due or info.result is None or info.result.ended_ms >= before_ms}
    of = _by_target(infos)
    for target, own in of.items():
        stay |= _needed(target, own, keep)
    stay |= _knowing([info for info in infos if info.due or info.result is None], infos)
    # What stays for one reason must not make a revision look verified that was left by a rollback since.
    while misleading := [own for target, own in of.items() if _misleads(target, own, stay, keep)]:
        stay |= {info.id for own in misleading for info in own}
    return tuple(info.id for info in infos if info.id not in stay)


def _by_target(infos: Sequence[RolloutInfo]) -> dict[TargetId, list[RolloutInfo]]:
    of: dict[TargetId, list[RolloutInfo]] = {}
    for info in infos:
        for base in info.plan.bases:
            of.setdefault(base.target.id, []).append(info)
    return of


def _needed(target: TargetId, own: Sequence[RolloutInfo], keep: int) -> set[RolloutId]:
    """Return the newest rollout of a target, and those from which its last verified revisions follow as from all."""
    line = verified(target, own)
    since = len(own) - 1
    while since > 0 and not _same_end(verified(target, own[since:]), line, keep):
        since -= 1
    return {own[-1].id} | {
        info.id for info in own[since:] if info.result is not None and info.result.promoted
    }


def _misleads(target: TargetId, own: Sequence[RolloutInfo], stay: set[RolloutId], keep: int) -> bool:
    """Whether what stays of a target tells of other verified revisions than all of it does."""
    left = [info for info in own if info.id in stay]
    return not _same_end(verified(target, left), verified(target, own), keep)


def _same_end(some: Sequence[RevisionId], line: Sequence[RevisionId], keep: int) -> bool:
    """Whether some revisions are the last ones of a line, and as many as are to be kept."""
    return len(some) >= min(keep, len(line)) and list(some) == list(line[len(line) - len(some) :])


def _knowing(open_now: Sequence[RolloutInfo], infos: Sequence[RolloutInfo]) -> set[RolloutId]:
    """Return the newest rollouts that know a release of what unfinished ones begin with or started."""
    wanted: set[RevisionId] = set()
    for info in open_now:
        for base in info.plan.bases:
            wanted |= {each for each in (base.stable, base.candidate) if each is not None}
            wanted |= set(base.split.shares) if base.split is not None else set()
        wanted |= {due.revision for due in info.windows}
    knowing: set[RolloutId] = set()
    for info in reversed(infos):
        known = wanted & set(info.plan.releases)
        if known:
            knowing.add(info.id)
            wanted -= known
    return knowing

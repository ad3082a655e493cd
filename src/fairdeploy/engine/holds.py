"""Targets on which nothing new may begin, until somebody says otherwise."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.holder import who
from fairdeploy.engine.versions import ROLLBACK
from fairdeploy.errors import Refused, TargetOnHold
from fairdeploy.model import Command, Noted, RolloutId, Settled, TargetId

if TYPE_CHECKING:
    from fairdeploy.model import Plan, Record
    from fairdeploy.protocols import Journal

__all__ = ["Hold", "hold_rollout", "hold_target", "holds_of", "refuse_held", "refuse_on_hold", "release"]


@final
@dataclass(frozen=True, slots=True)
class Hold:
    """A target on hold: nothing new is deployed there, and nothing goes back by itself.

    Args:
        target: Which target.
        rollout: Because of which rollout.
        since_ms: Since when, milliseconds since 1970.
        reason: Why.
        by: Who put it there, as ``user@host:pid``.
    """

    target: TargetId
    _: KW_ONLY
    rollout: RolloutId
    since_ms: int
    reason: str = ""
    by: str = ""

    def __str__(self) -> str:
        """Return it as people read it."""
        since = f"{datetime.fromtimestamp(self.since_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        why = f": {self.reason}" if self.reason else ""
        return f"{self.target} is on hold since {since}, because of rollout {self.rollout}{why}"


async def hold_rollout(journal: Journal, rollout: RolloutId, reason: str) -> None:
    """Put every target of a rollout on hold, durably. On hold already, it stays so.

    Raises:
        UnknownRollout: If there is no such rollout.
        JournalError: If it cannot be written.
    """
    await journal.send(rollout, Noted(topic="hold", message=reason, by=who()))
    feed_of(journal).wake()


async def hold_target(journal: Journal, target: TargetId, reason: str) -> None:
    """Put a target on hold because of its newest rollout.

    Raises:
        Refused: If nothing was ever deployed there.
        JournalError: If it cannot be written.
    """
    infos = await journal.rollouts(target)
    if not infos:
        msg = f"target {target!r} has no rollout that a hold could be about: nothing was ever deployed there"
        raise Refused(msg)
    await hold_rollout(journal, infos[-1].id, reason)


async def holds_of(journal: Journal, target: TargetId) -> tuple[Hold, ...]:
    """Return the holds on a target, oldest first.

    Raises:
        JournalError: If the journal cannot be read.
    """
    holds: list[Hold] = []
    for info in await journal.rollouts(target, unfinished=True):
        for due in info.holds:
            if due.target != target:
                continue
            events = await journal.read(info.id)
            why, by = next((said for e in reversed(events) if (said := _said(e.record))), ("", ""))
            holds.append(Hold(target, rollout=info.id, since_ms=due.at_ms, reason=why, by=by))
    return tuple(sorted(holds, key=lambda each: each.since_ms))


def _said(record: Record) -> tuple[str, str] | None:
    """Return why a record puts targets on hold, and who did; ``None`` if it does not."""
    match record:
        case Noted(topic="hold"):
            return record.message, record.by
        case Command(hold=True):
            return record.reason, record.by
        case _:
            return None


async def release(journal: Journal, target: TargetId, reason: str) -> tuple[Hold, ...]:
    """Release every hold on a target, and return what was released.

    Raises:
        JournalError: If it cannot be written.
    """
    held = await holds_of(journal, target)
    said = f"released by {who()}" + (f": {reason}" if reason else "")
    for each in held:
        await journal.send(each.rollout, Settled(step=f"due:{target}:hold", detail=said))
    feed_of(journal).wake()
    return held


async def refuse_held(journal: Journal, plan: Plan) -> None:
    """Do nothing unless a plan brings something new to a target on hold.

    Going back, another number of instances, a restart and the end of a warm window bring nothing new.

    Raises:
        TargetOnHold: If it does.
        JournalError: If the journal cannot be read.
    """
    if plan.point_of_no_return is None or plan.strategy == ROLLBACK:
        return
    for base in plan.bases:
        await refuse_on_hold(journal, base.target.id)


async def refuse_on_hold(journal: Journal, target: TargetId) -> None:
    """Do nothing unless a target is on hold.

    Raises:
        TargetOnHold: If it is.
        JournalError: If the journal cannot be read.
    """
    for held in await holds_of(journal, target):
        msg = (
            f"{held}; nothing new is deployed there until RollbackManager.release_hold({target!r}) is called"
        )
        raise TargetOnHold(msg)

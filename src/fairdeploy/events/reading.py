"""The whole of a rollout, for sinks that tell of it at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from fairdeploy.model import Event, Notice, Outcome
    from fairdeploy.protocols import Journal

__all__ = ["Ending", "ending"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A rollout that has ended.

    Args:
        outcome: How.
        ended_ms: When, milliseconds since 1970.
        events: Until its end, at least one.
    """

    outcome: Outcome
    ended_ms: int
    events: tuple[Event, ...]


async def ending(journal: Journal, notice: Notice) -> Ending | None:
    """Return the whole of a rollout if a notice is of its end and the journal still holds it.

    Raises:
        JournalError: If the journal cannot be read.
    """
    await checkpoint()
    if notice.outcome is None:
        return None
    events = tuple(e for e in await journal.read(notice.rollout) if e.seq <= notice.seq)
    return Ending(outcome=notice.outcome, ended_ms=notice.at_ms, events=events) if events else None

"""How long a rollout took, and how much of it was waiting for people: a pure reading of its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.model import Ended, Parked, Paused, Resumed, Undoing

if TYPE_CHECKING:
    from fairdeploy.model import Event

__all__ = ["Times", "times_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Where a rollout's time went; the two parts add up to the whole, as Argo Rollouts' do.

    Args:
        progression_ms: Moving, watching and going back.
        pause_ms: Paused, or waiting for an approval or a window.
    """

    progression_ms: int
    pause_ms: int

    @property
    def total_ms(self) -> int:
        """All of it."""
        return self.progression_ms + self.pause_ms


def times_of(events: Iterable[Event]) -> Times:
    """Return where the time of a rollout went, until its end or its last event.

    Args:
        events: Of one rollout, from its beginning.
    """
    first = last = since = pause = 0
    for event in events:
        first, last = first or event.at_ms, max(last, event.at_ms)
        match event.record:
            case Paused() | Parked():
                since = since or event.at_ms
            case Resumed() | Undoing() | Ended():
                pause, since = pause + (event.at_ms - since if since else 0), 0
                if isinstance(event.record, Ended):
                    break
            case _:
                pass
    pause += last - since if since else 0
    return Times(progression_ms=last - first - pause, pause_ms=pause)

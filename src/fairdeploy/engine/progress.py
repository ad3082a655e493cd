"""How a rollout stands, step by step and guard by guard: a fold over its events that every face draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from fairdeploy.model import Ended, Intended, Judged, Paused, Progressed, Resumed, Retried, Settled, Undoing
from fairdeploy.model._words import clean, duration, step_words

if TYPE_CHECKING:
    from fairdeploy.model import Event, Plan, RolloutId, RolloutResult

__all__ = ["Progress", "Row", "Stage"]

Stage: TypeAlias = Literal["ahead", "running", "done", "back", "failed"]
"""Of a step; ``back`` is one of the way back."""


@final
@dataclass(slots=True)
class Row:
    """A step as it stands.

    Args:
        words: What it does.
        stage: How far it is.
        note: The last that was told of it.
        began_ms: When it began, milliseconds since 1970; 0 if it has not.
        ended_ms: When it was done; 0 if it is not.
    """

    words: str
    stage: Stage = "ahead"
    note: str = ""
    began_ms: int = 0
    ended_ms: int = 0

    def took(self, now_ms: int) -> str:
        """Say how long it took, or takes until now, to a tenth of a second; nothing before it began."""
        if not self.began_ms:
            return ""
        return duration(max(0, (self.ended_ms or now_ms) - self.began_ms) // 100 * 100)

    @property
    def telling(self) -> str:
        """What was told of it, while that matters."""
        return clean(self.note) if self.stage in {"running", "back", "failed"} else ""


@final
@dataclass(slots=True)
class Progress:
    """How a rollout stands. Mutable on purpose: it is fed event by event.

    Args:
        plan: Whose steps.
        rollout: Its id.
        rows: By step, in order.
        guards: The last verdict of each, in words.
        state: Of the whole, in words.
        result: How it ended.
    """

    plan: Plan
    rollout: RolloutId
    rows: dict[str, Row] = field(default_factory=dict)
    guards: dict[str, str] = field(default_factory=dict)
    state: str = "under way"
    result: RolloutResult | None = None

    def __post_init__(self) -> None:
        """Begin with every step ahead."""
        self.rows = {step.id: Row(step_words(step)) for step in self.plan.steps}

    @property
    def title(self) -> str:
        """What it is, and how it stands."""
        return f"{self.plan.strategy} {self.rollout}  {clean(self.state)}"

    def see(self, event: Event) -> None:
        """Take in an event."""
        match event.record:
            case Intended(step=step, phase=phase, undo=undo):
                row = self.rows.setdefault(step, Row(step_words(undo) if undo else step))
                row.stage, row.began_ms = ("back" if phase == "undo" else "running"), event.at_ms
            case Settled(step=step, phase=phase, detail=detail):
                row = self.rows.setdefault(step, Row(step))
                row.stage, row.note = ("back" if phase == "undo" else "done"), detail
                row.ended_ms = event.at_ms
            case Progressed(step=step, message=note) | Retried(step=step, error=note):
                self.rows.setdefault(step, Row(step)).note = note
            case Judged(guard=guard, verdict=verdict, message=message):
                self.guards[guard] = verdict.replace("_", " ") + (f": {clean(message)}" if message else "")
            case _:
                self._whole(event)

    def _whole(self, event: Event) -> None:
        match event.record:
            case Undoing(reason=reason, step=step):
                self.state = f"going back: {reason}"
                if step in self.rows:
                    self.rows[step].stage = "failed"
            case Paused(reason=reason):
                self.state = f"paused {reason}".rstrip()
            case Resumed():
                self.state = "under way"
            case Ended(result=result):
                self.state, self.result = f"{result.outcome.replace('_', ' ')}: {result.reason}", result
            case _:
                return

"""What a rollout's events amount to: a pure fold, the same for its runner and for whoever recovers it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from fairdeploy.model import (
    Began,
    Command,
    DatabaseStep,
    Due,
    Ended,
    Event,
    Held,
    Intended,
    Judged,
    Noted,
    Parked,
    Paused,
    Plan,
    Progressed,
    Promote,
    Record,
    Released,
    Resumed,
    Retried,
    RolloutResult,
    Settled,
    Shift,
    Step,
    TargetId,
    TookOver,
    Undoing,
    Verdict,
)

__all__ = ["AS_BEFORE", "GIVEN_UP", "History"]

GIVEN_UP = "given up: "
"""What the record of a step begins with that could not be done, and that others did not wait for."""
AS_BEFORE = f"{GIVEN_UP}as was an earlier step on this database"


@final
@dataclass(slots=True)
class History:
    """The state of a rollout as its journal tells it.

    Mutable on purpose: the runner feeds it each record that it appends, so that it and a
    later recoverer always see the same.
    """

    plan: Plan
    began_ms: int = 0
    intended: list[str] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    details: dict[str, str] = field(default_factory=dict)
    undone: list[Step] = field(default_factory=list)
    undo_settled: set[str] = field(default_factory=set)
    undo_details: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, Judged] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    undoing: Undoing | None = None
    parked: Parked | None = None
    paused: bool = False
    result: RolloutResult | None = None
    due: list[Due] = field(default_factory=list)
    taken_over: bool = False

    @classmethod
    def of(cls, plan: Plan, events: Iterable[Event]) -> History:
        """Return the history that events tell."""
        history = cls(plan)
        for event in events:
            if not history.began_ms:
                history.began_ms = event.at_ms
            history.add(event.record)
        return history

    def add(self, record: Record) -> None:
        """Take one more record in. What is told for people only changes nothing."""
        match record:
            case Intended() | Settled():
                self._stepped(record)
            case Judged():
                self._judged(record)
            case Undoing():
                self.undoing = record
            case Parked():
                # Being taken over does not change what a parked rollout waits for, nor until when.
                self.parked = record
            case Paused():
                self.paused = True
            case Resumed():
                self.paused, self.parked = False, None
            case Due():
                self.due.append(record)
            case Ended():
                self.result = record.result
            case TookOver():
                self.taken_over = True
            case _:
                _told: Began | Retried | Progressed | Held | Released | Command | Noted = record

    def _judged(self, record: Judged) -> None:
        self.verdicts[record.guard] = record
        if record.state:
            self.states[record.guard] = record.state
        if record.verdict is Verdict.FAIL:
            self.failed.add(record.guard)

    def _stepped(self, record: Intended | Settled) -> None:
        match record:
            case Intended(phase="do"):
                # A wait that is taken up again goes on waiting for the same, until the same date.
                if record.step not in self.intended:
                    self.parked = None
                self.intended.append(record.step)
                self.states.update(record.states)
            case Intended():
                self.undone += [record.undo] if record.undo is not None else []
            case Settled(phase="do"):
                self.settled.add(record.step)
                self.details[record.step] = record.detail
            case Settled():
                self.undo_settled.add(record.step)
                self.undo_details[record.step] = record.detail

    @property
    def promoting(self) -> bool:
        """Whether the point of no return has been intended: from then on only forward."""
        point = self.plan.point_of_no_return
        return point is not None and point.id in self.intended

    @property
    def touched(self) -> frozenset[TargetId]:
        """Targets that an intent may have changed."""
        targets: set[TargetId] = set()
        for step_id in self.intended:
            step = self.plan.step(step_id)
            if isinstance(step, Promote):
                targets.update(target for target, _ in step.targets)
            else:
                targets.add(step.target)
        return frozenset(targets)

    @property
    def given_up(self) -> dict[str, str]:
        """Databases on which a step was given up after the promotion, and why."""
        steps = (self.plan.step(step_id) for step_id in self.settled)
        return {
            step.database: detail.removeprefix(GIVEN_UP)
            for step in steps
            if isinstance(step, DatabaseStep)
            and (detail := self.details[step.id]).startswith(GIVEN_UP)
            and detail != AS_BEFORE
        }

    @property
    def left(self) -> tuple[Step, ...]:
        """The plan's steps that are not settled yet, in order."""
        return tuple(step for step in self.plan.steps if step.id not in self.settled)

    def rule(self, target: TargetId) -> Shift | None:
        """Return the routing rule last intended for a target, the way back included; ``None``: the base's."""
        shifts = [step for step in self.undone if isinstance(step, Shift) and step.target == target]
        if shifts:
            return shifts[-1]
        wanted: Shift | None = None
        for step_id in self.intended:
            step = self.plan.step(step_id)
            if isinstance(step, Shift) and step.target == target:
                wanted = step
        return wanted

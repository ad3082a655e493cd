"""What a dead program left: seen in the journal, and brought to one of its two ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairdeploy.engine.control import Control, Stop
from fairdeploy.engine.history import History
from fairdeploy.engine.holder import holder_is_dead
from fairdeploy.engine.waits import seconds_until_open
from fairdeploy.model import Await, Base, Command, Drain, Due, Event, Noted, Parked, Plan, Retire

if TYPE_CHECKING:
    from fairdeploy.engine.runner import Direction
    from fairdeploy.protocols import RolloutInfo

__all__ = ["direction_of", "is_left", "obeyed_until", "retirement"]


def is_left(info: RolloutInfo, events: Sequence[Event], now_ms: int) -> bool:
    """Whether a rollout has nobody who acts for it and must be recovered.

    Its lease has expired, or its holder is known to be dead. One that was parked on purpose
    is left alone until its date has passed, the window that it waits for is open, or somebody
    has sent a command that nobody obeyed.
    """
    if not info.open:
        return False
    if info.expires_ms > now_ms and not holder_is_dead(info.holder):
        return False
    parked = _parked(events)
    if parked is None:
        return True
    if any(isinstance(event.record, Command) and event.seq > parked.seq for event in events):
        return True
    record = parked.record
    if not isinstance(record, Parked) or record.until_ms is None:
        return False
    return record.until_ms <= now_ms or _window_is_open(History.of(info.plan, events), now_ms)


def _window_is_open(history: History, now_ms: int) -> bool:
    """Whether a parked rollout waits for a weekly window, and that is open."""
    step = history.plan.step(history.intended[-1]) if history.intended else None
    return isinstance(step, Await) and step.window is not None and not seconds_until_open(step.window, now_ms)


_WHILE_PARKED = frozenset(
    {"command", "judged", "held", "released", "paused", "retried", "progressed", "settled", "noted"}
)
"""Kinds of records that may follow while the wait goes on: commands, guards at work, what was due."""


def _parked(events: Sequence[Event]) -> Event | None:
    """Return the record that parked the rollout, if that is still its last word."""
    for event in reversed(events):
        if isinstance(event.record, Parked):
            return event
        if event.record.kind not in _WHILE_PARKED:
            return None
    return None


def obeyed_until(events: Sequence[Event]) -> int:
    """Return up to which position commands count as obeyed.

    Those that come after the holder's last record were not, or may not have been: they are
    obeyed again. (What was obeyed leaves a record, but for a repeated pause or resume.)
    """
    parked = _parked(events)
    if parked is not None:
        return parked.seq
    return max((event.seq for event in events if not isinstance(event.record, Command | Noted)), default=0)


def direction_of(info: RolloutInfo, history: History, events: Sequence[Event]) -> Direction:
    """Return where a rollout that was left goes: a pure function of its journal.

    Onward, if its promotion was intended, or the plan says ``on_crash="resume"``, or it was
    parked; else back to its base.
    """
    if history.promoting:
        return "forward"
    if history.undoing is not None:
        undoing = history.undoing
        return Stop(outcome=undoing.outcome, reason=undoing.reason, evidence=undoing.evidence)
    # Whoever asked for it may have asked a dead program; it is owed an answer.
    if (asked := _asked_to_stop(events)) is not None:
        return asked
    if _parked(events) is not None or info.plan.undo.on_crash == "resume":
        return "forward"
    step = history.intended[-1] if history.intended else "its first step"
    holder = info.holder.partition(" ")[0]
    evidence = tuple(str(event) for event in events[-3:])
    return Stop(
        outcome="rolled_back",
        reason=f"the deploying program ({holder}) was gone at {step!r}",
        evidence=evidence,
    )


def _asked_to_stop(events: Sequence[Event]) -> Stop | None:
    control = Control()
    for event in events:
        if isinstance(event.record, Command):
            control.obey(event.record)
    return control.stopped if isinstance(control.stopped, Stop) else None


def retirement(base: Base, due: Due) -> Plan:
    """Return the plan that ends a warm window.

    It is a rollout like any other, so that it can neither run beside one nor be lost.
    """
    # It may have served until a moment ago, by a rollout that went back.
    drain = Drain(
        f"drain-{due.revision}",
        target=due.target,
        revision=due.revision,
        requests_ms=base.target.drain_ms,
        streams_ms=base.target.stream_drain_ms,
    )
    step = Retire(f"retire-{due.revision}", target=due.target, revision=due.revision)
    return Plan(
        "retire", bases=(base,), steps=(drain, step), notes=(f"the warm window of {due.revision} has ended",)
    )

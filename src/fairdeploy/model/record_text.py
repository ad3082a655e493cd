"""A journal's event as one readable line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fairdeploy.model._words import clean, duration, step_words
from fairdeploy.model.note import Noted
from fairdeploy.model.record import (
    Began,
    Command,
    Due,
    Ended,
    Held,
    Intended,
    Judged,
    Parked,
    Paused,
    Progressed,
    Released,
    Resumed,
    Retried,
    Settled,
    TookOver,
    Undoing,
)

if TYPE_CHECKING:
    from fairdeploy.model.record import Event, Record

__all__ = ["line"]

_OUTCOMES = {"rolled_back": "going back", "aborted": "aborting", "superseded": "giving way"}


def line(event: Event) -> str:
    """Return an event as a line: time of day (UTC), what it is about, what happened."""
    about, happened = _words(event.record)
    # What instances and people wrote cannot break out of its line.
    return f"{event.at:%H:%M:%S}  {clean(about):<12}  {clean(happened)}".rstrip()


def _words(record: Record) -> tuple[str, str]:
    match record:
        case Intended() | Settled() | Retried() | Progressed():
            return _of_step(record)
        case Judged() | Held() | Released():
            return _of_guard(record)
        case Ended():
            return "end", _ended(record)
        case _:
            return _of_rollout(record)


def _of_step(record: Intended | Settled | Retried | Progressed) -> tuple[str, str]:
    match record:
        case Intended(step=step, phase=phase, undo=undo):
            does = step_words(undo) if undo else "begins"
            return step, f"way back: {does}" if phase == "undo" else does
        case Settled(step=step, phase=phase, detail=detail):
            done = detail or "done"
            return step, f"way back: {done}" if phase == "undo" else done
        case Retried(step=step, error=error):
            return step, f"again, because: {error}"
        case Progressed(step=step, message=message):
            return step, message


def _of_guard(record: Judged | Held | Released) -> tuple[str, str]:
    match record:
        case Judged(guard=guard, verdict=verdict, action=action, message=message):
            follows = "" if action == "continue" else f" -> {action}"
            return guard, f"{verdict.replace('_', ' ')}{follows}" + (f": {message}" if message else "")
        case Held(guard=guard, message=message):
            return guard, f"held: {message}"
        case Released(guard=guard, message=message):
            return guard, f"goes on: {message}" if message else "goes on"


def _of_rollout(
    record: Began | TookOver | Command | Paused | Resumed | Parked | Undoing | Due | Noted,
) -> tuple[str, str]:
    match record:
        case Began() | TookOver():
            return _taken(record)
        case Command():
            return "command", _command(record)
        case Paused():
            return "paused", record.reason
        case Resumed():
            return "resumed", record.reason
        case Parked():
            return "parked", _parked(record)
        case Undoing():
            at = f" at {record.step}" if record.step else ""
            evidence = f" ({'; '.join(record.evidence)})" if record.evidence else ""
            return "undo", f"{_OUTCOMES[record.outcome]}{at}: {record.reason}{evidence}"
        case Noted():
            return record.topic, _noted(record)
        case Due():
            if record.what == "hold":
                return "due", f"{record.target} is on hold since {_moment(record.at_ms)}"
            return "due", f"{record.revision} in {record.target} is removed after {_moment(record.at_ms)}"


def _command(record: Command) -> str:
    words = record.verb + (" in full" if record.full else "")
    words += f" by {record.by}" if record.by else ""
    return words + (f": {record.reason}" if record.reason else "")


def _taken(record: Began | TookOver) -> tuple[str, str]:
    name = record.holder.partition(" ")[0]  # what follows tells programs whether it lives
    if isinstance(record, Began):
        return "begin", f"plan {record.plan_hash[:12]}, by {name}"
    return "take over", f"by {name}: {record.reason}"


def _noted(record: Noted) -> str:
    about = f"by {record.by}" if record.by else ""
    if record.message:
        about += f": {record.message}" if about else record.message
    return about + (f" ({'; '.join(record.state.lines())})" if record.state is not None else "")


def _parked(record: Parked) -> str:
    then = "goes back" if record.then == "undo" else "goes on"
    return (
        f"until {_moment(record.until_ms)}, then {then}" if record.until_ms is not None else "without a limit"
    )


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ended(record: Ended) -> str:
    result = record.result
    outcome = result.outcome.replace("_", " ")
    took = duration(max(0, result.ended_ms - result.started_ms))
    serving = (
        ", ".join(f"{revision} serves {target}" for target, revision in result.serving) or "nothing serves"
    )
    reason = f": {result.reason}" if result.reason else ""
    return f"{outcome} after {took}{reason} ({serving})"

"""A journal as JSON lines: to look at, to keep, and to fill another journal with.

The first line says the format, each further one holds a rollout or one of its events, the last one how many there
are, so that a file that was cut off is known. Secrets are in it as little as in the journal: references only. The
journal's `key` is not, so a journal that is filled takes fingerprints of secrets anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fairdeploy.errors import RecordError
from fairdeploy.journal import codec
from fairdeploy.model import Event
from fairdeploy.protocols import RolloutInfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from fairdeploy.protocols import Archive, Journal

__all__ = ["export", "fill"]

_FORMAT: Final = 1
_WHAT: Final = "fairdeploy journal"


async def export(journal: Journal) -> AsyncIterator[str]:
    """Yield a journal's lines, without line breaks, rollout by rollout, oldest first.

    Raises:
        RecordError: If something in it cannot be understood.
        JournalError: If it cannot be read.
    """
    yield _line(kind=_WHAT, format=_FORMAT)
    rollouts = events = 0
    for info in await journal.rollouts():
        rollouts += 1
        yield _line(
            kind="rollout",
            rollout=info.id,
            plan=json.loads(codec.encode_plan(info.plan)),
            began_ms=info.began_ms,
            holder=info.holder,
            epoch=info.epoch,
            expires_ms=info.expires_ms,
        )
        for event in await journal.read(info.id):
            events += 1
            yield _line(
                kind="event",
                seq=event.seq,
                rollout=event.rollout,
                epoch=event.epoch,
                at_ms=event.at_ms,
                version=codec.VERSION,
                record=json.loads(codec.encode(event.record)),
            )
    yield _line(kind="end", rollouts=rollouts, events=events)


async def fill(journal: Archive, lines: Iterable[str]) -> None:
    """Fill a journal that never held anything with what `export` wrote.

    Leases are as they were; they have expired by then, or do so soon: recover before anything else.

    Args:
        journal: An empty one.
        lines: All of them; nothing is written unless they are whole.

    Raises:
        RecordError: If a line cannot be understood, or some are missing.
        InvalidInput: If the journal is not new.
        JournalError: If it cannot be written.
    """
    rollouts: list[RolloutInfo] = []
    events: list[Event] = []
    ended = False
    for number, line in enumerate(lines, 1):
        where = f"line {number} of the export"
        parts = _parts(line, where)
        if ended or (number == 1) != (parts.get("kind") == _WHAT):
            raise _not_understood(where)
        match parts:
            case {"kind": "rollout"}:
                rollouts.append(_rollout(parts, where))
            case {"kind": "event"}:
                events.append(_event(parts, where))
            case {"kind": "end", "rollouts": count, "events": many}:
                ended = (count, many) == (len(rollouts), len(events))
            case {"format": int(version)}:
                _check(version)
            case _:
                raise _not_understood(where)
    if not ended:
        raise RecordError(
            "the export is cut off, or lines of it are missing: nothing was written; export again"
        )
    await journal.restore(rollouts, events)


def _line(**parts: object) -> str:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def _check(version: int) -> None:
    if version > _FORMAT:
        raise RecordError(
            f"the export is of a newer fairdeploy (format {version}, this one reads up to {_FORMAT}): upgrade fairdeploy"
        )


def _parts(line: str, where: str) -> dict[str, Any]:  # values of several types
    try:
        parts = json.loads(line)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, dict):
        raise _not_understood(where)
    return parts


def _rollout(parts: dict[str, Any], where: str) -> RolloutInfo:  # values of several types
    match parts:
        case {
            "rollout": str(rollout),
            "plan": dict(plan),
            "began_ms": int(began_ms),
            "holder": str(holder),
            "epoch": int(epoch),
            "expires_ms": int(expires_ms),
        }:
            return RolloutInfo(
                id=rollout,
                plan=codec.plan(json.dumps(plan), f"the plan in {where}"),
                began_ms=began_ms,
                holder=holder,
                epoch=epoch,
                expires_ms=expires_ms,
            )
        case _:
            raise _not_understood(where)


def _event(parts: dict[str, Any], where: str) -> Event:  # values of several types
    match parts:
        case {
            "seq": int(seq),
            "rollout": str(rollout),
            "epoch": int(epoch),
            "at_ms": int(at_ms),
            "version": int(version),
            "record": dict(record),
        }:
            made = codec.record(json.dumps(record), version, f"the record in {where}")
            return Event(seq=seq, rollout=rollout, epoch=epoch, at_ms=at_ms, record=made)
        case _:
            raise _not_understood(where)


def _not_understood(where: str) -> RecordError:
    return RecordError(
        f"{where} is none that this fairdeploy understands: it is damaged, or of another program"
    )

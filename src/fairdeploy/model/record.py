"""What a journal holds: append-only records. Read in order they are the rollout's events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias, final

from fairdeploy.model._tagged import STRICT, Tagged
from fairdeploy.model.note import Noted
from fairdeploy.model.release import RevisionId
from fairdeploy.model.result import RolloutId, RolloutResult
from fairdeploy.model.step import Step
from fairdeploy.model.target import TargetId
from fairdeploy.model.verdict import Action, Verdict

__all__ = [
    "Began",
    "Command",
    "Due",
    "Ended",
    "Event",
    "Held",
    "Intended",
    "Judged",
    "Parked",
    "Paused",
    "Progressed",
    "Record",
    "Released",
    "Resumed",
    "Retried",
    "Settled",
    "TookOver",
    "Undoing",
    "Unfenced",
]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The lease was taken and the plan recorded, in one transaction."""

    __pydantic_config__ = STRICT

    plan_hash: str
    holder: str
    kind: Literal["began"] = "began"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TookOver:
    """Another holder acts from here on, with a higher epoch."""

    __pydantic_config__ = STRICT

    holder: str
    reason: str
    kind: Literal["took_over"] = "took_over"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """A step is about to have effects. Steps of the way back are recorded whole: no plan holds them.

    Args:
        step: Its id.
        phase: Onward or back.
        undo: The step itself, on the way back.
        states: For a `Shift`, the guards' own states by their ids, opaque: what was counted until now.
    """

    __pydantic_config__ = STRICT

    step: str
    phase: Literal["do", "undo"] = "do"
    undo: Step | None = None
    states: tuple[tuple[str, str], ...] = ()
    kind: Literal["intended"] = "intended"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A step's effects were observed."""

    __pydantic_config__ = STRICT

    step: str
    phase: Literal["do", "undo"] = "do"
    detail: str = ""
    kind: Literal["settled"] = "settled"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """An effect failed in a way that may pass; it is applied again with the same key."""

    __pydantic_config__ = STRICT

    step: str
    error: str
    kind: Literal["retried"] = "retried"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """Something that people waiting want to know; at most about one a second."""

    __pydantic_config__ = STRICT

    step: str
    message: str
    kind: Literal["progressed"] = "progressed"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A guard or check has come to another verdict than before. ``state`` is the guard's own, opaque."""

    __pydantic_config__ = STRICT

    guard: str
    verdict: Verdict
    action: Action
    message: str = ""
    state: str = ""
    kind: Literal["judged"] = "judged"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A guard stopped the rollout's clock."""

    __pydantic_config__ = STRICT

    guard: str
    message: str
    kind: Literal["held"] = "held"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A hold has ended."""

    __pydantic_config__ = STRICT

    guard: str
    message: str = ""
    kind: Literal["released"] = "released"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request from any process. Not fenced: whoever holds the lease decides what it means.

    Args:
        verb: ``pause`` stops before the next step; ``resume`` ends a pause; ``promote`` ends
            the present wait, or with ``full`` all that are left; ``abort`` goes back;
            ``supersede`` goes back because another rollout is to begin.
        full: For ``promote``.
        hold: Whether the rollout's targets are on hold from now on.
        reason: For people.
        by: Who asked, as ``user@host:pid``.
    """

    __pydantic_config__ = STRICT

    verb: Literal["pause", "resume", "promote", "abort", "supersede"]
    full: bool = False
    hold: bool = False
    reason: str = ""
    by: str = ""
    kind: Literal["command"] = "command"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Nothing moves until somebody resumes. Guards go on."""

    __pydantic_config__ = STRICT

    reason: str = ""
    kind: Literal["paused"] = "paused"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A pause, an approval or a window wait has ended."""

    __pydantic_config__ = STRICT

    reason: str = ""
    kind: Literal["resumed"] = "resumed"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The rollout was left on purpose: an expired lease on it is no crash.

    Args:
        until_ms: Wall clock after which ``then`` follows; ``None``: no limit.
        then: ``undo`` or ``resume``.
    """

    __pydantic_config__ = STRICT

    until_ms: int | None = None
    then: Literal["undo", "resume"] = "undo"
    kind: Literal["parked"] = "parked"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """The way back (or, after a promotion, forward) has begun.

    Args:
        outcome: What the rollout will have ended as, if it succeeds.
        reason: What decided it.
        evidence: What was seen.
        step: The step at which it was decided.
    """

    __pydantic_config__ = STRICT

    outcome: Literal["rolled_back", "aborted", "superseded"]
    reason: str
    evidence: tuple[str, ...] = ()
    step: str = ""
    kind: Literal["undoing"] = "undoing"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something to be done after the rollout: a warm window ends, or somebody releases a hold.

    Args:
        target: Where.
        revision: What is to be removed, if it is not stable and has no traffic by then; of a hold, ``hold``.
        at_ms: Wall clock, milliseconds since 1970; of a hold, since when.
        what: ``window``, or ``hold``: nothing new is deployed there until somebody releases it.
    """

    __pydantic_config__ = STRICT

    target: TargetId
    revision: RevisionId
    at_ms: int
    what: Literal["window", "hold"] = "window"
    kind: Literal["due"] = "due"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last record of every rollout (but for `Due` records settled later)."""

    __pydantic_config__ = STRICT

    result: RolloutResult
    kind: Literal["ended"] = "ended"


Record: TypeAlias = Annotated[
    Began
    | TookOver
    | Intended
    | Settled
    | Retried
    | Progressed
    | Judged
    | Held
    | Released
    | Command
    | Paused
    | Resumed
    | Parked
    | Undoing
    | Due
    | Noted
    | Ended,
    Tagged(),
]
"""Any journal record."""

Unfenced: TypeAlias = Command | Settled | Noted
"""What anybody may write, without a lease: of `Settled`, only the end of something due."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A record where it stands in the journal.

    Args:
        seq: Position in the journal, growing, unique across rollouts. A cursor for reading on.
        rollout: Whose event.
        epoch: Of the holder who wrote it; 0 for commands, which are not fenced.
        at_ms: Wall clock, milliseconds since 1970.
        record: What happened.
    """

    seq: int
    rollout: RolloutId
    epoch: int
    at_ms: int
    record: Record

    @property
    def at(self) -> datetime:
        """When, in UTC."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    def __str__(self) -> str:
        """Return the event as one readable line."""
        from fairdeploy.model.record_text import line  # noqa: PLC0415 - text is built on demand

        return line(self)

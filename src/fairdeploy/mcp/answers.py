"""What tools answer: typed, and never longer than a context can take.

Without slots, as the protocol's library would take a slot for a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

__all__ = [
    "LONGEST",
    "Advice",
    "Entry",
    "Explanation",
    "Past",
    "Proposal",
    "Report",
    "Serving",
    "Started",
    "TargetEntry",
    "Told",
    "clipped",
]

LONGEST: Final = 12_000
"""Characters of a text in one answer; with what is around it, an answer stays below 16 KiB where they are ASCII."""


def clipped(text: str, most: int = LONGEST) -> str:
    """Return a text that is not too long, with what was left out said."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n... {len(text) - most} more characters"


@final
@dataclass(frozen=True)
class Advice:
    """A recommendation: the pattern, why, and what else can be chosen or cannot, best first."""

    best: str | None
    summary: str
    eligible: tuple[str, ...]
    excluded: tuple[str, ...]


@final
@dataclass(frozen=True)
class Explanation:
    """A part of an explanation, from 1."""

    text: str
    part: int
    parts: int


@final
@dataclass(frozen=True)
class TargetEntry:
    """A target of the configuration, and whether an approved plan may be applied there."""

    name: str
    target: str
    may_apply: bool


@final
@dataclass(frozen=True)
class Proposal:
    """A plan: nothing has changed. ``next`` is what a person types to approve it, where that is possible."""

    digest: str
    changes: bool
    summary: str
    text: str
    next: str


@final
@dataclass(frozen=True)
class Serving:
    """What a target looks like now, and the rollout that acts on it."""

    text: str
    stable: str | None
    rollout: str | None


@final
@dataclass(frozen=True)
class Entry:
    """A rollout in a line; ``outcome`` is empty while it goes on."""

    rollout: str
    strategy: str
    outcome: str
    reason: str


@final
@dataclass(frozen=True)
class Past:
    """The last rollouts, oldest first, of so many in all."""

    rollouts: tuple[Entry, ...]
    total: int


@final
@dataclass(frozen=True)
class Told:
    """A rollout: its end, if it has one, and some of its events. Ask again with ``after`` for those that follow."""

    rollout: Entry
    events: tuple[str, ...]
    after: int
    more: bool


@final
@dataclass(frozen=True)
class Report:
    """A report on health, on whether a deployment can work, or on a Compose file."""

    good: bool
    text: str


@final
@dataclass(frozen=True)
class Started:
    """A rollout that goes on by itself, in a process of its own. ``approved_by`` is who allowed it."""

    rollout: str
    approved_by: str

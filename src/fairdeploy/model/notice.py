"""What is told to people about a rollout."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias, final

from fairdeploy.model._tagged import STRICT
from fairdeploy.model.release import RevisionId
from fairdeploy.model.result import Outcome, RolloutId
from fairdeploy.model.target import TargetId

__all__ = ["Notice", "Subject", "Urgency"]

Urgency: TypeAlias = Literal["info", "warning", "critical"]
"""``critical`` is for a person, at once."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a rollout changes, for programs that need more than words.

    Args:
        target: Its id.
        app: The application.
        environment: Where.
        before: The revision that is stable when it begins; ``None`` before a first deploy.
        after: The revision that it brings; ``None`` if it brings none.
        version: Of that revision's release.
        image: Of that revision's release, if it has one.
    """

    __pydantic_config__ = STRICT

    target: TargetId
    app: str
    environment: str
    before: RevisionId | None = None
    after: RevisionId | None = None
    version: str = ""
    image: str = ""


@final
@dataclass(frozen=True, slots=True)
class Notice:
    """One piece of news, as every sink gets it. No setting, no output of an instance and no secret is in it.

    Args:
        id: The same whenever the same news is delivered again: who has it already may drop it.
        seq: Position of its event in the journal.
        rollout: Which rollout.
        kind: Of the event's record, such as ``ended``.
        urgency: How urgent it is.
        title: One line.
        text: A few lines.
        targets: Which targets it is about.
        at_ms: When it happened, milliseconds since 1970.
        strategy: Of the rollout.
        subjects: What the rollout changes, one per target.
        outcome: How it ended, if this is its end.
        began_ms: When it began, if this is its end; else 0.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    seq: int
    rollout: RolloutId
    kind: str
    urgency: Urgency
    title: str
    text: str = ""
    targets: tuple[TargetId, ...] = ()
    at_ms: int = 0
    strategy: str = ""
    subjects: tuple[Subject, ...] = ()
    outcome: Outcome | None = None
    began_ms: int = 0

    def __str__(self) -> str:
        """Return it as people read it."""
        return self.title + (f"\n{self.text}" if self.text else "")

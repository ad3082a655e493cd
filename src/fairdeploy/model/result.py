"""How a rollout ended."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import TypeAlias, final

from fairdeploy.model._tagged import STRICT
from fairdeploy.model.release import RevisionId
from fairdeploy.model.target import TargetId

__all__ = ["Outcome", "RolloutId", "RolloutResult"]

RolloutId: TypeAlias = str


@final
class Outcome(StrEnum):
    """The five ends. There is no silent one."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    """A verdict, a failure or a crash sent it back; the base serves."""
    ABORTED = "aborted"
    """Somebody stopped it; the base serves."""
    SUPERSEDED = "superseded"
    """Another rollout took its place; the base served in between."""
    NEEDS_ATTENTION = "needs_attention"
    """Neither forward nor back could be completed; a person must look."""


@final
@dataclass(frozen=True, slots=True)
class RolloutResult:
    """How a rollout ended, with the evidence.

    Args:
        rollout: Its id.
        outcome: Which end.
        reason: One sentence: what decided it.
        evidence: What was seen, line by line: verdicts, statuses, the last words of an instance.
        policy: What promoted it: ``pass``, or the named policy that promoted an undecided one.
        step: The step at which it was decided, or empty.
        serving: Revision with most traffic per target at the end, as observed; absent if none.
        started_ms: Wall clock, milliseconds since 1970.
        ended_ms: Wall clock, milliseconds since 1970.
    """

    __pydantic_config__ = STRICT

    rollout: RolloutId
    _: KW_ONLY
    outcome: Outcome
    reason: str = ""
    evidence: tuple[str, ...] = ()
    policy: str = ""
    step: str = ""
    serving: tuple[tuple[TargetId, RevisionId], ...] = ()
    started_ms: int = 0
    ended_ms: int = 0

    @property
    def promoted(self) -> bool:
        """Whether the new revision serves everything, baked and verified."""
        return self.outcome is Outcome.PROMOTED

    @property
    def seconds(self) -> float:
        """How long the rollout took."""
        return (self.ended_ms - self.started_ms) / 1000

    def __str__(self) -> str:
        """Return the end as people read it, evidence below."""
        serving = (
            ", ".join(f"{revision} serves {target}" for target, revision in self.serving) or "nothing serves"
        )
        policy = (
            f"; promoted {self.policy}"
            if self.policy.startswith("by ") and "-undecided" in self.policy
            else ""
        )
        lines = [f"{self.outcome} after {self.seconds:.1f} s: {self.reason}{policy} ({serving})"]
        return "\n".join(lines + [f"  | {line}" for line in self.evidence])

    def _repr_html_(self) -> str:
        from fairdeploy.model.result_text import html  # noqa: PLC0415 - text is built on demand

        return html(self)

"""What the parts of one running rollout share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from fairdeploy.engine.world import Seen, look
from fairdeploy.model import Base, Record, RolloutId, Step, TargetId

if TYPE_CHECKING:
    from fairdeploy.engine.control import Control
    from fairdeploy.engine.history import History
    from fairdeploy.engine.tenure import Tenure
    from fairdeploy.protocols import Backend, Clock, HealthCheck

__all__ = ["Run", "StepFailed"]


class StepFailed(Exception):
    """A step cannot be completed.

    Attributes:
        reason: One sentence.
        evidence: What was seen: last words, answers, statuses.
    """

    def __init__(self, reason: str, evidence: tuple[str, ...] = ()) -> None:
        """Keep reason and evidence apart for the result."""
        self.reason = reason
        self.evidence = evidence
        super().__init__(reason)


@final
@dataclass(slots=True, kw_only=True)
class Run:
    """One rollout in the hands of this process."""

    id: RolloutId
    history: History
    backends: Mapping[str, Backend]
    tenure: Tenure
    control: Control
    clock: Clock
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)

    async def record(self, *records: Record, end: bool = False) -> None:
        """Append to the journal, then to the history: in this order, so that nothing is known that is not durable.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        await self.tenure.append(*records, end=end)
        for record in records:
            self.history.add(record)

    def base(self, step: Step) -> Base:
        """Return the base of a step's target (of the first one, for a promotion)."""
        target = step.targets[0][0] if step.kind == "promote" else step.target
        return self.history.plan.base(target)

    def backend(self, base: Base) -> Backend:
        """Return the backend that a base lives on."""
        return self.backends[base.backend]

    async def look(self, base: Base) -> Seen:
        """Observe a target."""
        return await look(self.backend(base), base)

    async def look_everywhere(self) -> Mapping[TargetId, Seen]:
        """Observe every target that the rollout has touched."""
        touched = self.history.touched
        return {b.target.id: await self.look(b) for b in self.history.plan.bases if b.target.id in touched}

    def wall_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970."""
        return round(self.clock.wall() * 1000)

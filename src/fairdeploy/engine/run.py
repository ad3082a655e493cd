"""What the parts of one running rollout share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.perform import perform
from fairdeploy.engine.world import Seen, look
from fairdeploy.model import Base, Deployment, Record, RolloutId, Step, TargetId

if TYPE_CHECKING:
    from fairdeploy.engine.control import Control
    from fairdeploy.engine.decide import Effect
    from fairdeploy.engine.history import History
    from fairdeploy.engine.tenure import Tenure
    from fairdeploy.errors import ConsentRequired
    from fairdeploy.model import Source
    from fairdeploy.protocols import Backend, Clock, Database, HealthCheck, MetricSource

__all__ = ["Run", "StepFailed"]

_RECENT_S = 0.05
"""How long a look is as good as a new one where nothing was applied since: half the interval
of the fastest probes, so that nothing newer would be known."""


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
    """One rollout in the hands of this process.

    ``stepwise``: one step is carried out here, and the next is left to whoever is handed the lease. ``over`` is set once
    this process acts no more.
    """

    id: RolloutId
    history: History
    backends: Mapping[str, Backend]
    tenure: Tenure
    control: Control
    clock: Clock
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    sources: Mapping[str, MetricSource] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)
    asked: list[ConsentRequired] = field(default_factory=list)
    opened: dict[tuple[str, Source], MetricSource] = field(default_factory=dict)
    stepwise: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)
    _looks: dict[TargetId, tuple[float, Seen]] = field(default_factory=dict)
    _applied: int = 0

    async def record(self, *records: Record, end: bool = False) -> None:
        """Append to the journal, then to the history: in this order, so that nothing is known that is not durable.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        await self.tenure.append(*records, end=end)
        for record in records:
            self.history.add(record)

    @property
    def intended(self) -> bool:
        """Whether the next step's intent was handed on together with the lease."""
        history = self.history
        handed = history.intended[-1:] == [step.id for step in history.left[:1]]
        return self.stepwise and handed and not history.paused

    def base(self, step: Step) -> Base:
        """Return the base of a step's target (of the first one, for a promotion)."""
        target = step.targets[0][0] if step.kind == "promote" else step.target
        return self.history.plan.base(target)

    def backend(self, base: Base) -> Backend:
        """Return the backend that a base lives on."""
        return self.backends[base.backend]

    async def look(self, base: Base, *, recent: bool = False) -> Seen:
        """Observe a target.

        Args:
            base: Of the target.
            recent: Whether a look of a moment ago will do, if nothing was applied since.
        """
        at, applied = self.clock.monotonic(), self._applied
        known = self._looks.get(base.target.id)
        if recent and known is not None and at - known[0] <= _RECENT_S:
            return known[1]
        seen = await look(self.backend(base), base)
        if applied == self._applied:
            self._looks[base.target.id] = (at, seen)
        return seen

    async def apply(self, effect: Effect, base: Base, *, step: str) -> None:
        """Apply an effect with a step's key; see `perform`. What was seen before it is forgotten."""
        fence = await self.tenure.fence(step)
        self.forget()
        try:
            await perform(effect, backend=self.backend(base), base=base, plan=self.history.plan, fence=fence)
        finally:
            self.forget()

    def forget(self) -> None:
        """Forget every look, those under way included."""
        self._applied += 1
        self._looks.clear()

    async def observe(self, base: Base) -> Deployment:
        """Return what is there now."""
        return (await self.look(base)).deployment

    async def look_everywhere(self) -> Mapping[TargetId, Seen]:
        """Observe every target that the rollout has touched."""
        touched = self.history.touched
        return {b.target.id: await self.look(b) for b in self.history.plan.bases if b.target.id in touched}

    def wall_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970."""
        return round(self.clock.wall() * 1000)

"""A simulated instance: a timeline of when it is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, final

from fairdeploy.model import Instance, InstanceId, RevisionId

if TYPE_CHECKING:
    from fairdeploy.testing.simulation.behaviour import Behaviour

__all__ = ["Machine"]


@final
@dataclass(slots=True, kw_only=True)
class Machine:
    """One running copy, as a list of spans in which it is ready. Nothing has to tick."""

    id: InstanceId
    revision: RevisionId
    address: str | None
    quiescing: bool = False
    stopped_at: float = inf
    lost: bool = False
    spans: list[tuple[float, float]] = field(default_factory=list)
    crashes: list[float] = field(default_factory=list)

    def start(self, now: float, behaviour: Behaviour) -> None:
        """Lay out the future from a start on."""
        if not behaviour.ready:
            return
        ready = now + behaviour.start_seconds
        self.spans.append((ready, inf))
        if behaviour.crash_seconds is not None and not self.crashes:
            self.crash(ready + behaviour.crash_seconds, behaviour)

    def crash(self, at: float, behaviour: Behaviour) -> None:
        """End it at a moment, now or later; its keeper starts it again."""
        self.crashes.append(at)
        self.spans = [(begin, min(end, at)) for begin, end in self.spans if begin < at]
        if behaviour.restart_seconds is not None:
            self.start(at + behaviour.restart_seconds, behaviour)

    def ready(self, at: float) -> bool:
        """Return whether it answers at a moment."""
        return self.ready_until(at) is not None

    def ready_until(self, at: float) -> float | None:
        """Return when the span around a moment ends by a crash that is to come, infinity if none; ``None``: not ready."""
        if at < self.stopped_at:
            for begin, end in self.spans:
                if begin <= at < end:
                    return end
        return None

    def steady_until(self, at: float) -> float:
        """Return when, after a moment, its readiness may next be otherwise by itself."""
        moments = [moment for span in self.spans for moment in span if moment > at]
        return min(moments, default=inf)

    def seen(self, now: float) -> Instance:
        """Return it as a backend's observation shows it."""
        ready = self.ready(now)
        crashed = sum(at <= now for at in self.crashes)
        waiting = not ready and crashed > 0
        return Instance(
            self.id,
            revision=self.revision,
            address=self.address,
            ready=ready,
            quiescing=self.quiescing,
            state="running" if ready else "backoff" if waiting else "starting",
            restarts=crashed,
            detail="" if ready else "crashed" if waiting else "does not answer yet",
        )

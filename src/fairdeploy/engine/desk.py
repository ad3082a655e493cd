"""What a deployer is made of: backends by name, checks by name, a clock, one journal per plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from fairdeploy.engine.control import Control
from fairdeploy.engine.history import History
from fairdeploy.engine.planning import callables, observed
from fairdeploy.engine.run import Run
from fairdeploy.engine.tenure import Tenure
from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from fairdeploy.model import Base, Check, Deployment, Event, Plan
    from fairdeploy.protocols import Backend, Clock, Database, HealthCheck, Journal, Lease, MetricSource

__all__ = ["Desk"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the deployer and its parts share.

    Args:
        backends: By name; at least one.
        checks: Data or callables by name.
        sources: Of metrics, by name.
        databases: By name.
        clock: For leases and waits.
        ttl_ms: Time to live of a lease.
    """

    backends: Mapping[str, Backend]
    checks: Mapping[str, Check | HealthCheck] = field(default_factory=dict)
    sources: Mapping[str, MetricSource] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)
    clock: Clock
    ttl_ms: int

    def backend(self, name: str) -> Backend:
        """Return a backend.

        Raises:
            InvalidInput: If there is none of this name.
        """
        try:
            return self.backends[name]
        except KeyError:
            msg = f"there is no backend {name!r}; this Deployer has {sorted(self.backends)!r}"
            raise InvalidInput(msg) from None

    async def observe(self, base: Base) -> Deployment:
        """Return what is there now."""
        return await observed(self.backend(base.backend), base.target)

    def journal(self, plan: Plan) -> Journal:
        """Return the one journal of a plan's backends.

        Raises:
            InvalidInput: If they keep different ones: a lease is atomic within one journal only.
        """
        journals = {id(j): j for j in (self.backend(base.backend).journal for base in plan.bases)}
        if len(journals) > 1:
            names = sorted({base.backend for base in plan.bases})
            msg = f"the backends {names!r} keep different journals: open them with one journal to act on them in one plan"
            raise InvalidInput(msg)
        return next(iter(journals.values()))

    def journals(self) -> tuple[Journal, ...]:
        """Return every journal once."""
        return tuple({id(backend.journal): backend.journal for backend in self.backends.values()}.values())

    def run(self, plan: Plan, lease: Lease, events: tuple[Event, ...]) -> Run:
        """Return a rollout in the hands of this process, at the point that its events tell."""
        control = Control()
        history = History.of(plan, events)
        control.paused = history.paused
        tenure = Tenure(self.journal(plan), lease, self.clock, control)
        return Run(
            id=lease.rollout,
            history=history,
            backends=self.backends,
            tenure=tenure,
            control=control,
            clock=self.clock,
            checks=callables(self.checks),
            sources=self.sources,
            databases=self.databases,
        )

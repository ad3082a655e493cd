"""How a rollout stands: what the journal must know of it to decide, apart from its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

from fairdeploy.model import Due, Event, RolloutId, RolloutResult, TargetId
from fairdeploy.protocols import Lease, RolloutInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model import Plan, Record

__all__ = ["FREE", "Empty", "Grant", "Standing", "Store"]

FREE = ""
"""The rollout of a grant that nobody holds."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The lease of one target. It stays when it is given back: its epoch must never fall.

    Args:
        target: Which.
        rollout: Who holds it; `FREE` if nobody does.
        epoch: Of the last holder.
    """

    target: TargetId
    rollout: RolloutId
    epoch: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a rollout stands. Arguments as in `RolloutInfo`, with the targets in place of the plan."""

    id: RolloutId
    targets: tuple[TargetId, ...]
    began_ms: int
    holder: str
    epoch: int
    expires_ms: int
    parked: bool = False
    result: RolloutResult | None = None
    due: tuple[Due, ...] = ()

    @property
    def unfinished(self) -> bool:
        """Whether it is open or has something due."""
        return self.result is None or bool(self.due)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What it holds, target by target; given back once it has ended."""
        holder = self.id if self.result is None else FREE
        return tuple(Grant(target=target, rollout=holder, epoch=self.epoch) for target in self.targets)

    def lease(self, ttl_ms: int) -> Lease:
        """Return the lease that proves it."""
        return Lease(
            rollout=self.id,
            epoch=self.epoch,
            holder=self.holder,
            expires_ms=self.expires_ms,
            ttl_ms=ttl_ms,
        )

    def info(self, plan: Plan) -> RolloutInfo:
        """Return it as the journal's users see it."""
        return RolloutInfo(
            id=self.id,
            plan=plan,
            began_ms=self.began_ms,
            holder=self.holder,
            epoch=self.epoch,
            expires_ms=self.expires_ms,
            parked=self.parked,
            result=self.result,
            due=self.due,
        )


class Store(Protocol):
    """Where standings, grants and events are kept, within one transaction."""

    def standing(self, rollout: RolloutId) -> Standing | None:
        """Return how a rollout stands, or ``None`` if it is unknown."""
        ...

    def grants(self, targets: Sequence[TargetId]) -> tuple[Grant, ...]:
        """Return the grants of the targets, as far as there are any."""
        ...

    def create(self, standing: Standing, plan: Plan) -> None:
        """Keep a new rollout with its plan."""
        ...

    def keep(self, standing: Standing) -> None:
        """Replace what is kept of a rollout."""
        ...

    def grant(self, grants: Sequence[Grant]) -> None:
        """Replace the grants of their targets."""
        ...

    def add(self, rollout: RolloutId, epoch: int, at_ms: int, records: Sequence[Record]) -> int:
        """Append records and return the last one's sequence number."""
        ...


class Empty(Store, Protocol):
    """A store that can be filled with what another one held."""

    def put(self, event: Event) -> None:
        """Keep an event at its own position."""
        ...

"""A journal in memory: for tests and simulations, and for what may be forgotten with the process."""

from __future__ import annotations

import secrets
from bisect import bisect_right
from typing import TYPE_CHECKING, Self, final

from anyio.lowlevel import checkpoint

from fairdeploy.journal import rules
from fairdeploy.journal.clock import SystemClock
from fairdeploy.model import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.errors import RecordError
    from fairdeploy.journal.standing import Grant, Standing
    from fairdeploy.model import Plan, Record, RolloutId, TargetId, Unfenced
    from fairdeploy.protocols import Clock, Lease, RolloutInfo

__all__ = ["MemoryJournal"]


@final
class _Shelf:
    """The store of `MemoryJournal`. The rules decide before they write, so nothing is ever undone."""

    def __init__(self) -> None:
        self.standings: dict[RolloutId, Standing] = {}
        self.plans: dict[RolloutId, Plan] = {}
        self.leases: dict[TargetId, Grant] = {}
        self.events: list[Event] = []
        self.of: dict[RolloutId, list[Event]] = {}
        self.last = 0

    def standing(self, rollout: RolloutId) -> Standing | None:
        return self.standings.get(rollout)

    def grants(self, targets: Sequence[TargetId]) -> tuple[Grant, ...]:
        return tuple(self.leases[target] for target in targets if target in self.leases)

    def create(self, standing: Standing, plan: Plan) -> None:
        self.standings[standing.id] = standing
        self.plans[standing.id] = plan
        self.of[standing.id] = []

    def keep(self, standing: Standing) -> None:
        self.standings[standing.id] = standing

    def grant(self, grants: Sequence[Grant]) -> None:
        self.leases.update((grant.target, grant) for grant in grants)

    def add(self, rollout: RolloutId, epoch: int, at_ms: int, records: Sequence[Record]) -> int:
        for record in records:
            self.put(Event(seq=self.last + 1, rollout=rollout, epoch=epoch, at_ms=at_ms, record=record))
        return self.last

    def put(self, event: Event) -> None:
        self.last = event.seq
        self.events.append(event)
        self.of[event.rollout].append(event)

    def forget(self, rollout: RolloutId) -> bool:
        standing = self.standings.get(rollout)
        if standing is None or standing.unfinished:
            return False
        for kept in (self.standings, self.plans, self.of):
            kept.pop(rollout)
        self.events = [event for event in self.events if event.rollout != rollout]
        return True


@final
class MemoryJournal:
    """A `Journal` in memory, by the same rules as the durable ones. Ends with the process.

    It starts no thread, so it is safe under a virtual clock. For tasks of one event loop.

    Args:
        clock: Wall time of records and leases. Default: `SystemClock`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._key = secrets.token_bytes(32)
        self._shelf = _Shelf()

    async def __aenter__(self) -> Self:
        """Return the journal: there is nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Keep everything: a closed journal of this kind can be opened again."""

    @property
    def key(self) -> bytes:
        """See `Journal.key`."""
        return self._key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """See `Journal.begin`.

        Raises:
            LeaseHeld: If an open rollout has one of the targets.
            InvalidInput: If there is a rollout of this id already.
        """
        await checkpoint()
        return rules.begin(self._shelf, self._now(), rollout, plan, holder=holder, ttl_ms=ttl_ms)

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        """See `Journal.take`.

        Raises:
            LeaseHeld: If the lease is still live, and not held by the one that is ``dead``.
            UnknownRollout: If there is no such rollout, or it has ended.
        """
        await checkpoint()
        return rules.take(self._shelf, self._now(), rollout, holder, ttl_ms, reason=reason, dead=dead)

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`.

        Raises:
            Fenced: If somebody has taken over.
        """
        await checkpoint()
        return rules.renew(self._shelf, self._now(), lease)

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`.

        Raises:
            Fenced: If somebody has taken over.
            InvalidInput: If ``end`` and the records contradict each other.
        """
        await checkpoint()
        return rules.append(self._shelf, self._now(), lease, records, end=end)

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """See `Journal.send`.

        Raises:
            UnknownRollout: If there is no such rollout.
            InvalidInput: If it is neither a command nor the end of something due.
        """
        await checkpoint()
        return rules.send(self._shelf, self._now(), rollout, record)

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`.

        Raises:
            UnknownRollout: If one is named that does not exist.
        """
        await checkpoint()
        if rollout is None:
            events = self._shelf.events
        else:
            rules.known(self._shelf, rollout)
            events = self._shelf.of[rollout]
        return tuple(events[bisect_right(events, since, key=lambda event: event.seq) :])

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,  # noqa: ARG002 -- nothing here is ever damaged
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`."""
        await checkpoint()
        return tuple(
            standing.info(self._shelf.plans[standing.id])
            for standing in self._shelf.standings.values()
            if (target is None or target in standing.targets) and (standing.unfinished or not unfinished)
        )

    async def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """See `Archive.forget`."""
        await checkpoint()
        return tuple(rollout for rollout in rollouts if self._shelf.forget(rollout))

    async def restore(self, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
        """See `Archive.restore`.

        Raises:
            InvalidInput: If it holds something, or has held something.
        """
        await checkpoint()
        if self._shelf.last:
            raise rules.holds_something()
        rules.restore(self._shelf, rollouts, events)

    def _now(self) -> int:
        return int(self._clock.wall() * 1000)

"""The durable record of rollouts, and the leases that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

from fairdeploy.errors import RecordError
from fairdeploy.model import Due, Event, Plan, Record, RolloutId, RolloutResult, TargetId, Unfenced
from fairdeploy.protocols.lease import Lease

__all__ = ["Archive", "Findable", "Journal", "RolloutInfo"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutInfo:
    """What the journal knows of one rollout without reading all its events.

    Args:
        id: The rollout.
        plan: Its plan.
        began_ms: Wall clock, milliseconds since 1970.
        holder: Of the last lease.
        epoch: Of the last lease.
        expires_ms: When that lease expires (expired).
        parked: Whether its last word is `Parked`: an expired lease is then no crash.
        result: How it ended, or ``None`` while it is open.
        due: What is still to be done after its end.
    """

    id: RolloutId
    plan: Plan
    began_ms: int
    holder: str
    epoch: int
    expires_ms: int
    parked: bool = False
    result: RolloutResult | None = None
    due: tuple[Due, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.result is None

    def lease(self, ttl_ms: int) -> Lease:
        """Return its last lease, for whoever it was handed on to; the journal says whether it still holds."""
        return Lease(
            rollout=self.id,
            epoch=self.epoch,
            holder=self.holder,
            expires_ms=self.expires_ms,
            ttl_ms=ttl_ms,
        )

    @property
    def windows(self) -> tuple[Due, ...]:
        """The warm windows that it has left to be ended."""
        return tuple(due for due in self.due if due.what == "window")

    @property
    def holds(self) -> tuple[Due, ...]:
        """The holds that somebody put on its targets because of it."""
        return tuple(due for due in self.due if due.what == "hold")


class Journal(Protocol):
    """An append-only record with leases, checked in the same transaction as each append.

    Safe to use from many tasks of one event loop and from many processes at once.
    """

    @property
    def key(self) -> bytes:
        """Random bytes made with the journal: keys the fingerprints of secrets."""
        ...

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """Take the lease on every target of the plan and record the plan, in one transaction.

        Writes `Began`.

        Raises:
            LeaseHeld: If an open rollout has one of the targets, expired or not; the message
                names holder, rollout and age, and the remedy.
            JournalError: If it cannot be written.
        """
        ...

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        """Take over an open rollout whose lease has expired, or whose holder is known to be dead.

        Raises every target's epoch and writes `TookOver`.

        Args:
            rollout: Which.
            holder: Who takes it.
            ttl_ms: Time to live of the new lease.
            reason: For the record.
            dead: The holder that is known to be dead: a live lease is taken from this one only.

        Raises:
            LeaseHeld: If the lease is still live, and not held by the one that is ``dead``.
            UnknownRollout: If there is no such rollout, or it has ended.
            JournalError: If it cannot be written.
        """
        ...

    async def renew(self, lease: Lease) -> Lease:
        """Grant the time to live anew.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        ...

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """Append records under the lease, all or none, durably; return the last one's ``seq``.

        With ``end`` the lease is given back and the rollout closed: the records hold its `Ended`.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        ...

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """Append a command or a note, or mark a `Due` as settled (step ``due:<target>:<revision>``), without a lease.

        A note of topic ``hold`` leaves a `Due` of that kind for each target of the rollout: what `RolloutInfo.holds`
        returns until it is settled (step ``due:<target>:hold``).

        Raises:
            UnknownRollout: If there is no such rollout.
            JournalError: If it cannot be written.
        """
        ...

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """Return the events after ``since`` of one rollout, or of all, in order.

        Raises:
            UnknownRollout: If one is named that does not exist.
            RecordError: If one cannot be understood.
        """
        ...

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        """Return what is known of the rollouts, oldest first.

        Args:
            target: Only those whose plan has this target.
            unfinished: Only those that are open or have something due.
            damaged: Where to put an error for each that cannot be understood, which is then left out.

        Raises:
            RecordError: If one cannot be understood, and there is no place to say so.
        """
        ...


@runtime_checkable
class Findable(Protocol):
    """A journal that other programs can open, such as a guard: a backend puts its address into its own URI."""

    def address(self) -> str | None:
        """Return what `fairdeploy.journal.open_journal` opens. It holds no secret, only where one is found.

        ``None``: no other program could open it, because the password was given in clear.
        """
        ...


@runtime_checkable
class Archive(Protocol):
    """What a journal offers to those who look after it: not needed to deploy."""

    async def rollouts(
        self, target: TargetId | None = None, *, unfinished: bool = False
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`."""
        ...

    async def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """Remove those of the rollouts that are finished, with their records, and return them.

        What is open or has something due stays. No position and no epoch is used again.

        Raises:
            JournalError: If it cannot be written.
        """
        ...

    async def restore(self, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
        """Fill a journal that never held anything with what another one held, at the same positions.

        Raises:
            InvalidInput: If it holds something, or has held something.
            JournalError: If it cannot be written.
        """
        ...

"""A journal in a PostgreSQL database, for programs on any number of machines."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Self, final

import anyio
import anyio.to_thread

from fairdeploy.errors import InvalidInput
from fairdeploy.journal import codec, rules
from fairdeploy.journal.clock import SystemClock
from fairdeploy.journal.postgres import archive
from fairdeploy.journal.postgres.address import Address
from fairdeploy.journal.postgres.desk import Call, PostgresDesk
from fairdeploy.journal.postgres.link import LOST, Link, refuse_other_loops
from fairdeploy.journal.postgres.reading import Reader
from fairdeploy.journal.postgres.schema import upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fairdeploy.errors import RecordError
    from fairdeploy.journal.standing import Store
    from fairdeploy.model import Event, Plan, Record, RolloutId, SecretRef, TargetId, Unfenced
    from fairdeploy.protocols import Clock, Lease, RolloutInfo

__all__ = ["PostgresJournal"]


@final
class PostgresJournal:
    """A `Journal` in a PostgreSQL database, durable before a call returns.

    Any number of programs on any number of machines may use it at once. Leases live by the server's clock. No lock is
    held between two statements, so a program that is stopped in the middle keeps nobody waiting. A connection that is
    lost is made again for some seconds; what was written before the answer was lost is not written twice, also when
    the same call is made again later.

    Open it with `open`, on asyncio, and use it from that event loop only.

    Args:
        link: Its connections.
        desk: Writes.
        reader: Reads.
        key: See `Journal.key`.
    """

    def __init__(self, link: Link, desk: PostgresDesk, reader: Reader, key: bytes) -> None:
        self._link = link
        self._desk = desk
        self._reader = reader
        self._key = key

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dsn: str,
        *,
        password: SecretRef | None = None,
        schema: str | None = None,
        connections: int = 4,
        patience: float = 5.0,
        clock: Clock | None = None,
    ) -> AsyncIterator[Self]:
        """Open a journal, with its tables made or upgraded if need be, and close it in the end.

        Args:
            dsn: Such as ``postgresql://deployer@db.internal/deployments?sslmode=verify-full``, or what `uri` says. A
                password in it is used, and never shown; without one it is looked for as libpq does (``PGPASSWORD``,
                ``~/.pgpass``).
            password: Where the password is found, each time a connection is made.
            schema: Where its tables are. Default: ``fairdeploy``.
            connections: How many it has at most, 1 to 100.
            patience: Seconds, 0 to 60, for which a lost connection is made again before a call fails.
            clock: Time of records and leases; default: the server's, which is what several machines agree on.

        Yields:
            The journal.

        Raises:
            InvalidInput: If an argument cannot be right, or this is not asyncio.
            JournalError: If it cannot be opened; what is not ours, or newer, is left as it is.
            Unbound: If the password is not found.
        """
        refuse_other_loops()
        if not 1 <= connections <= 100:
            raise InvalidInput(f"connections must be 1 to 100, not {connections!r}")
        if not 0 <= patience <= 60:
            raise InvalidInput(f"patience must be 0 to 60 seconds, not {patience!r}")
        address = Address.of(dsn, password=password, schema=schema)
        link = Link(address, connections)
        try:
            key = await _opened(link)
            desk = PostgresDesk(link, patience, None if clock is None else partial(_wall_ms, clock))
            reader = Reader(link, patience, SystemClock().wall if clock is None else None)
            journal = cls(link, desk, reader, key)
            try:
                yield journal
            finally:
                await desk.aclose()
        finally:
            await link.aclose()

    def __repr__(self) -> str:
        """Return the class and where the journal is. Never a password."""
        return f"PostgresJournal.open({self.uri!r})"

    async def aclose(self) -> None:
        """Close it. What was asked for is done before; again does nothing."""
        await self._desk.aclose()
        await self._reader.aclose()

    @property
    def uri(self) -> str:
        """How `open` finds it again in another program. Holds no password, only where one is found."""
        return self._link.address.uri

    def address(self) -> str | None:
        """Return `uri`, or ``None`` if the password stood in the DSN: see `Findable`."""
        return None if self._link.address.given is not None else self.uri

    @property
    def key(self) -> bytes:
        """See `Journal.key`."""
        return self._key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """See `Journal.begin`.

        Raises:
            LeaseHeld: If an open rollout has one of the targets.
            InvalidInput: If there is a rollout of this id already, or the plan could not be read again.
            JournalError: If it cannot be written.
        """
        await anyio.to_thread.run_sync(codec.prove, plan)
        targets = [base.target.id for base in plan.bases]

        def rule(page: Store, now_ms: int) -> Lease:
            return rules.begin(page, now_ms, rollout, plan, holder=holder, ttl_ms=ttl_ms)

        key = ("begin", rollout, plan.hash, holder)
        return await self._desk.ask(Call(key, rule, rollouts=[rollout], targets=targets))

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        """See `Journal.take`.

        Raises:
            LeaseHeld: If the lease is still live, and not held by the one that is ``dead``.
            UnknownRollout: If there is no such rollout, or it has ended.
            JournalError: If it cannot be written.
        """

        def rule(page: Store, now_ms: int) -> Lease:
            return rules.take(page, now_ms, rollout, holder, ttl_ms, reason=reason, dead=dead)

        return await self._desk.ask(Call(("take", rollout, holder, reason), rule, rollouts=[rollout]))

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """

        def rule(page: Store, now_ms: int) -> Lease:
            return rules.renew(page, now_ms, lease)

        return await self._desk.ask(Call(("renew", lease), rule, rollouts=[lease.rollout]))

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`. Called again with the same after a lost answer, it is written once.

        Raises:
            Fenced: If somebody has taken over.
            InvalidInput: If ``end`` and the records contradict each other.
            JournalError: If it cannot be written.
        """
        texts = tuple(codec.encode(record) for record in records)

        def rule(page: Store, now_ms: int) -> int:
            return rules.append(page, now_ms, lease, records, end=end)

        key = ("append", lease.rollout, lease.epoch, texts)
        return await self._desk.ask(Call(key, rule, rollouts=[lease.rollout]))

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """See `Journal.send`. Called again with the same after a lost answer, it is written once.

        Raises:
            UnknownRollout: If there is no such rollout.
            InvalidInput: If it is neither a command nor the end of something due.
            JournalError: If it cannot be written.
        """
        text = codec.encode(record)

        def rule(page: Store, now_ms: int) -> int:
            return rules.send(page, now_ms, rollout, record)

        return await self._desk.ask(Call(("send", rollout, text), rule, rollouts=[rollout]))

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`.

        Raises:
            UnknownRollout: If one is named that does not exist.
            RecordError: If one cannot be understood.
            JournalError: If it cannot be read.
        """
        return await self._reader.events(rollout, since)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`. An expiry is told by this machine's clock, where that differs from the server's.

        Raises:
            RecordError: If a plan or result cannot be understood.
            JournalError: If it cannot be read.
        """
        return await self._reader.infos(target, unfinished=unfinished, damaged=damaged)

    async def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """See `Archive.forget`.

        Raises:
            JournalError: If it cannot be written.
        """
        return await archive.forget(self._link, rollouts)

    async def restore(self, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
        """See `Archive.restore`.

        Raises:
            InvalidInput: If it holds something, or has held something.
            JournalError: If it cannot be written.
        """
        await archive.restore(self._link, rollouts, events)


async def _opened(link: Link) -> bytes:
    """Connect for the first time, and make or upgrade the tables."""
    try:
        async with link.connection() as connection:
            return await upgrade(connection, link.address.schema)
    except LOST as error:
        pass_on = link.failed(error)
    # Not from the driver's error: the frames that it passed hold the password.
    raise pass_on


def _wall_ms(clock: Clock) -> int:
    return int(clock.wall() * 1000)

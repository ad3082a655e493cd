"""A journal in one SQLite file, for any number of programs on one machine."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, final
from urllib.parse import quote

from fairdeploy.errors import JournalError
from fairdeploy.journal import codec, rules
from fairdeploy.journal.clock import Moment, SystemClock
from fairdeploy.journal.database import connect, failure, patiently, read_key
from fairdeploy.journal.desk import Desk
from fairdeploy.journal.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fairdeploy.errors import RecordError
    from fairdeploy.journal.desk import AnyJob
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId, Unfenced
    from fairdeploy.protocols import Clock, Lease, RolloutInfo

__all__ = ["SQLiteJournal"]

T = TypeVar("T")


@final
class _Place:
    """Where the file is, and which file it was when it was first opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._inode: int | None = None

    def connect(self) -> sqlite3.Connection:
        """Open the file; the first to open it may make it."""
        with self._guard:
            if self._inode is not None:
                self.check()
            connection = connect(self.path)
            self._inode = self.path.stat().st_ino
            return connection

    def check(self) -> None:
        """Refuse a file that is no longer there: nobody would find again what is written to it."""
        try:
            same = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            error = JournalError(
                f"journal {str(self.path)!r} was removed or replaced while in use: open it anew"
            )
            error.retryable = False
            raise error


@final
class _File:
    """What a desk works on."""

    def __init__(self, place: _Place) -> None:
        self.connection = place.connect()

    def at(self, moment: Moment) -> Table:
        """Return the tables as they are looked at now."""
        return Table(self.connection, moment)


@final
class _Writer:
    """Does all that waits in one transaction, each on its own: one that fails harms no other."""

    def __init__(self, place: _Place) -> None:
        self._place = place

    def open(self) -> _File:
        return _File(self._place)

    def work(self, at: _File, jobs: Sequence[AnyJob[_File]]) -> None:
        connection = at.connection
        try:
            self._place.check()
            patiently(self._place.path, lambda: connection.execute("BEGIN IMMEDIATE"))
            for job in jobs:
                self._one(at, job)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            for job in jobs:
                job.fail(failure(self._place.path, error))
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @staticmethod
    def _one(at: _File, job: AnyJob[_File]) -> None:
        at.connection.execute("SAVEPOINT job")
        try:
            job.run(at)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 -- it is raised where the job was asked for
            job.fail(error)
            at.connection.execute("ROLLBACK TO job")
        at.connection.execute("RELEASE job")

    def close(self, at: _File) -> None:
        at.connection.close()


@final
class _Reader:
    """Reads what is committed, without waiting for a writer."""

    def __init__(self, place: _Place) -> None:
        self._place = place

    def open(self) -> _File:
        file = _File(self._place)
        file.connection.execute("PRAGMA query_only = ON")
        return file

    def work(self, at: _File, jobs: Sequence[AnyJob[_File]]) -> None:
        for job in jobs:
            try:
                self._place.check()
                patiently(self._place.path, partial(job.run, at))
            except sqlite3.Error as error:
                job.fail(failure(self._place.path, error))
            except Exception as error:  # noqa: BLE001 -- it is raised where the job was asked for
                job.fail(error)

    def close(self, at: _File) -> None:
        at.connection.close()


@final
class SQLiteJournal:
    """A `Journal` in one SQLite file: append-only, and durable before a call returns.

    Any number of tasks, event loops, threads and processes of one machine may use the file
    at once; every append is one fsync, shared by all that wait at that moment. The file is
    opened with the first call, or by `open`. It is readable by its owner only.

    It runs two threads of its own, so it is not for virtual time (use `MemoryJournal`), and
    it does not survive a fork: the child must open its own.

    Args:
        path: The file, made with its folder if there is none. It must not lie on a network disk.
        clock: Wall time of records and leases. Default: `SystemClock`.
    """

    def __init__(self, path: str | Path, clock: Clock | None = None) -> None:
        self._place = _Place(Path(path))
        self._clock = clock or SystemClock()
        self._key: bytes | None = None
        self._opening = threading.Lock()
        name = f"journal {str(path)!r}"
        self._writer = Desk(name, _Writer(self._place))
        self._reader = Desk(name, _Reader(self._place))
        for desk in (self._writer, self._reader):
            weakref.finalize(self, desk.stop)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: str | Path, clock: Clock | None = None) -> AsyncIterator[Self]:
        """Open a journal now, and close it in the end.

        Raises:
            JournalError: If it cannot be opened; a file that is not ours is left as it is.
        """
        journal = cls(path, clock)
        try:
            journal._key = await journal._writer.ask(lambda file: read_key(file.connection))
            yield journal
        finally:
            await journal.aclose()

    async def aclose(self) -> None:
        """Close it. What was asked for is done before; again does nothing."""
        await self._writer.close()
        await self._reader.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._place.path

    def address(self) -> str:
        """Return ``sqlite://`` and the absolute path, percent-encoded."""
        return f"sqlite://{quote(str(self._place.path.absolute()))}"

    @property
    def key(self) -> bytes:
        """See `Journal.key`. Opens the file, some 10 ms, if `open` has not.

        Raises:
            JournalError: If it cannot be opened.
        """
        with self._opening:
            if self._key is None:
                with closing(self._place.connect()) as connection:
                    self._key = read_key(connection)
            return self._key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """See `Journal.begin`.

        Raises:
            LeaseHeld: If an open rollout has one of the targets.
            InvalidInput: If there is a rollout of this id already, or the plan could not be read again.
            JournalError: If it cannot be written.
        """
        await self._reader.ask(lambda _: codec.prove(plan))  # not by the writer: nobody need wait for it
        now = self._now()
        return await self._writer.ask(
            lambda at: rules.begin(at.at(now), now.ms, rollout, plan, holder=holder, ttl_ms=ttl_ms)
        )

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        """See `Journal.take`.

        Raises:
            LeaseHeld: If the lease is still live, and not held by the one that is ``dead``.
            UnknownRollout: If there is no such rollout, or it has ended.
            JournalError: If it cannot be written.
        """
        now = self._now()
        return await self._writer.ask(
            lambda at: rules.take(at.at(now), now.ms, rollout, holder, ttl_ms, reason=reason, dead=dead)
        )

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        now = self._now()
        return await self._writer.ask(lambda at: rules.renew(at.at(now), now.ms, lease))

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`.

        Raises:
            Fenced: If somebody has taken over.
            InvalidInput: If ``end`` and the records contradict each other.
            JournalError: If it cannot be written.
        """
        now = self._now()
        return await self._writer.ask(lambda at: rules.append(at.at(now), now.ms, lease, records, end=end))

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """See `Journal.send`.

        Raises:
            UnknownRollout: If there is no such rollout.
            InvalidInput: If it is neither a command nor the end of something due.
            JournalError: If it cannot be written.
        """
        now = self._now()
        return await self._writer.ask(lambda at: rules.send(at.at(now), now.ms, rollout, record))

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`.

        Raises:
            UnknownRollout: If one is named that does not exist.
            RecordError: If one cannot be understood.
            JournalError: If it cannot be read.
        """
        now = self._now()

        def events(at: _File) -> tuple[Event, ...]:
            if rollout is not None:
                rules.known(at.at(now), rollout)
            return at.at(now).events(rollout, since)

        return await self._reader.ask(events)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`.

        Raises:
            RecordError: If a plan or result cannot be understood.
            JournalError: If it cannot be read.
        """
        now = self._now()
        return await self._reader.ask(
            lambda at: at.at(now).infos(target, unfinished=unfinished, damaged=damaged)
        )

    async def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """See `Archive.forget`. The file keeps its size: what comes next fills it.

        Raises:
            JournalError: If it cannot be written.
        """
        now = self._now()
        return await self._writer.ask(lambda at: at.at(now).forget(rollouts))

    async def restore(self, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
        """See `Archive.restore`.

        Raises:
            InvalidInput: If it holds something, or has held something.
            JournalError: If it cannot be written.
        """
        now = self._now()

        def fill(at: _File) -> None:
            if at.at(now).used():
                raise rules.holds_something()
            rules.restore(at.at(now), rollouts, events)

        await self._writer.ask(fill)

    def _now(self) -> Moment:
        return Moment.of(self._clock)

"""A journal for who has only the cluster: one ConfigMap of the namespace."""

from __future__ import annotations

import random
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar, cast, final

import anyio
import anyio.to_thread

from fairdeploy.backends.kubernetes._sheet import Sheet
from fairdeploy.errors import BackendError, FairdeployError, JournalError
from fairdeploy.journal import rules
from fairdeploy.journal.clock import SystemClock
from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from fairdeploy.errors import RecordError
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId, Unfenced
    from fairdeploy.protocols import Clock, Lease, RolloutInfo
    from fairdeploy.routing.kubernetes.client import Client, Object

__all__ = ["NAME", "ConfigMapJournal"]

T = TypeVar("T")
NAME: Final = "fairdeploy-journal"
_TRIES: Final = 60
_PATIENCE: Final = 20.0
"""Seconds for an API server that does not answer: one that is restarted takes 5 to 15 s."""


@final
class ConfigMapJournal:
    """A `Journal` in the ConfigMap ``fairdeploy-journal``: read, changed by the rules, and written back as it was read.

    Whoever was slower is refused by the API server, reads again and decides anew: each change is one transaction. It
    holds less than 1 MiB, compressed: the oldest finished rollouts are forgotten when it is full. A lease expires by
    the clock of who looks: keep the clocks of those who deploy within a few seconds of each other.

    Open it with `ConfigMapJournal.open`.
    """

    def __init__(self, client: Client, key: bytes, clock: Clock | None) -> None:
        self._client = client
        self._key = key
        self._clock = clock or SystemClock()
        self._turn = anyio.Lock()
        self._last: tuple[str, Sheet] = ("", Sheet.new())

    @classmethod
    @asynccontextmanager
    async def open(cls, client: Client, *, clock: Clock | None = None) -> AsyncGenerator[ConfigMapJournal]:
        """Open the namespace's journal; make it if it is not there.

        Args:
            client: The namespace.
            clock: Wall time of records and leases; another one only in tests.

        Yields:
            The journal.

        Raises:
            JournalError: If it cannot be read or made.
        """
        path = names.path_of(client.namespace, "configmaps")
        for _ in range(2):
            found = await _said(client.find(f"{path}/{NAME}"))
            if found is not None:
                yield cls(client, Sheet.decoded(found["data"]["journal"]).key, clock)
                return
            meta = {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "fairdeploy"}}
            body = {"metadata": meta, "data": {"journal": Sheet.new().encoded()}}
            try:
                await client.create(path, body)
            except Answered as answer:
                if answer.reason != "AlreadyExists":
                    raise JournalError(f"the journal cannot be made: {answer.message}") from answer
        raise JournalError(f"ConfigMap {NAME!r} comes and goes: see who deletes it")

    @property
    def key(self) -> bytes:
        """See `Journal.key`."""
        return self._key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """See `Journal.begin`.

        Raises:
            LeaseHeld: If an open rollout has one of the targets.
            JournalError: If it cannot be written.
        """
        return await self._change(
            lambda sheet, now: rules.begin(sheet, now, rollout, plan, holder=holder, ttl_ms=ttl_ms)
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
        return await self._change(
            lambda sheet, now: rules.take(sheet, now, rollout, holder, ttl_ms, reason=reason, dead=dead)
        )

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        return await self._change(lambda sheet, now: rules.renew(sheet, now, lease))

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If it cannot be written.
        """
        return await self._change(lambda sheet, now: rules.append(sheet, now, lease, records, end=end))

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """See `Journal.send`.

        Raises:
            UnknownRollout: If there is no such rollout.
            JournalError: If it cannot be written.
        """
        return await self._change(lambda sheet, now: rules.send(sheet, now, rollout, record))

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`.

        Raises:
            UnknownRollout: If one is named that does not exist.
            JournalError: If it cannot be read.
        """
        # Whoever has read up to here waits for news, of which the watch tells; whoever begins is to read all there is.
        sheet, _ = await self._read(now=not since)
        if rollout is not None:
            rules.known(sheet, rollout)
        return await anyio.to_thread.run_sync(sheet.events, rollout, since)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`.

        Raises:
            JournalError: If it cannot be read.
        """
        sheet, _ = await self._read(now=True)
        return await anyio.to_thread.run_sync(
            lambda: sheet.infos(target, unfinished=unfinished, damaged=damaged)
        )

    async def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """See `Archive.forget`."""
        return await self._change(lambda sheet, _now: sheet.forget(rollouts))

    async def restore(self, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
        """See `Archive.restore`.

        Raises:
            InvalidInput: If it holds something, or has held something.
        """

        def fill(sheet: Sheet, _now: int) -> None:
            if sheet.used:
                raise rules.holds_something()
            rules.restore(sheet, rollouts, events)

        await self._change(fill)

    async def _read(self, *, now: bool) -> tuple[Sheet, str]:
        found = await self._found(now=now)
        version = str(found["metadata"]["resourceVersion"])
        if self._last[0] != version:
            text = found["data"]["journal"]
            self._last = version, await anyio.to_thread.run_sync(Sheet.decoded, text)
        return self._last[1], version

    async def _found(self, *, now: bool) -> Object:
        path = names.path_of(self._client.namespace, "configmaps", NAME)
        until = anyio.current_time() + _PATIENCE
        while True:
            try:
                return await _said(self._client.get(path)) if now else await _said(self._known(path))
            except JournalError as error:
                # Whoever is there and refuses, refuses; one that is being started answers soon.
                if isinstance(error.__cause__, Answered) or anyio.current_time() >= until:
                    raise

    async def _known(self, path: str) -> Object:
        return await self._client.known(path) or await self._client.get(path)

    async def _change(self, change: Callable[[Sheet, int], T]) -> T:
        """Read, change and write back; again if somebody was quicker. One at a time in this program."""
        async with self._turn:
            mine, done = secrets.token_hex(8), None
            for attempt in range(_TRIES):
                found = await self._found(now=attempt > 0)
                version = found["metadata"]["resourceVersion"]
                sheet = await anyio.to_thread.run_sync(Sheet.decoded, found["data"]["journal"])
                if attempt and sheet.writer == mine:
                    return cast("T", done)  # it was written, though the answer was lost on its way
                sheet.writer = mine
                try:
                    done = await anyio.to_thread.run_sync(change, sheet, int(self._clock.wall() * 1000))
                except FairdeployError:
                    if attempt:
                        raise
                    continue  # what the watch has told of may be a moment old: nothing is refused for that
                body: Object = {
                    "metadata": {"resourceVersion": version},
                    "data": {"journal": await anyio.to_thread.run_sync(sheet.encoded)},
                }
                with anyio.CancelScope(shield=True):  # it is done whether anybody waits or not
                    if await self._written(body):
                        return done
                await anyio.sleep(random.uniform(0, 0.02 * min(attempt + 1, 10)))  # noqa: S311 -- spreads load
        raise JournalError("the journal's ConfigMap is being written by too many at once: try again")

    async def _written(self, body: Object) -> bool:
        try:
            await self._client.merge(names.path_of(self._client.namespace, "configmaps", NAME), body)
        except Answered as answer:
            if answer.status == 409:
                return False
            raise JournalError(f"the journal cannot be written: {answer.message}") from answer
        except BackendError as error:
            raise JournalError(str(error)) from error
        return True


async def _said(asking: Awaitable[T]) -> T:
    """Wait for the API server's answer, in a journal's words.

    Raises:
        JournalError: If it refuses, or cannot be reached.
    """
    try:
        return await asking
    except Answered as answer:
        raise JournalError(f"the journal cannot be read: {answer.message}") from answer
    except BackendError as error:
        raise JournalError(str(error)) from error

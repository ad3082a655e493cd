"""Writes what many tasks ask for, all that waits in one go, and never twice.

Each call is decided upon what one query returned, and written by a second one that first looks whether that still
holds. If the answer is lost, the call is known again by its mark: what bears it was written, and is not written anew.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final
from uuid import UUID, uuid4

import anyio
from anyio.lowlevel import checkpoint

from fairdeploy.errors import FairdeployError, JournalError
from fairdeploy.journal.postgres.link import LOST, passes
from fairdeploy.journal.postgres.page import Page
from fairdeploy.journal.postgres.schema import LOOK, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from asyncpg.pool import PoolConnectionProxy

    from fairdeploy.journal.postgres.link import Link
    from fairdeploy.model import RolloutId, TargetId

__all__ = ["Call", "PostgresDesk"]

_AT_ONCE: Final = 64
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5
_IN_DOUBT: Final = 1_000
"""How many calls without an answer are remembered at most."""

T = TypeVar("T")


@final
class Call(Generic[T]):
    """Something asked for, and what came of it.

    Args:
        key: Equal for a call that repeats another one, and only for that.
        rule: Decides upon a page at a time, in milliseconds since 1970.
        rollouts: What the rule looks at.
        targets: As above.
    """

    def __init__(
        self,
        key: Hashable,
        rule: Callable[[Page, int], T],
        *,
        rollouts: Sequence[RolloutId] = (),
        targets: Sequence[TargetId] = (),
    ) -> None:
        self.key = key
        self.rule = rule
        self.rollouts = rollouts
        self.targets = targets
        self.mark = uuid4()
        self.since: int | None = None
        self.answer: T | None = None
        self.error: BaseException | None = None
        self.done = False

    def decide(self, page: Page, now_ms: int) -> None:
        """Let the rule answer or refuse."""
        page.batch, self.error = self.mark, None
        try:
            self.answer = self.rule(page, now_ms)
        except FairdeployError as error:
            self.error = error

    def written(self, last: int) -> None:
        """Let it be over; ``last`` is the position of its last record."""
        if isinstance(self.answer, int):
            self.answer = last  # type: ignore[assignment]  # a call whose answer is a position
        self.error, self.done = None, True

    def fail(self, error: BaseException) -> None:
        """Let it be over without having been done, as far as is known."""
        self.error, self.done = error, True

    def outcome(self) -> T:
        """Return what came of it."""
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]  # set by the rule, which has returned


@final
class PostgresDesk:
    """Does calls, those that wait together in one transaction.

    Args:
        link: The connections.
        patience: Seconds for which a lost connection is made again before a call fails.
        now_ms: Time instead of the server's, for tests.
    """

    def __init__(self, link: Link, patience: float, now_ms: Callable[[], int] | None) -> None:
        self._link = link
        self._patience = patience
        self._now_ms = now_ms
        schema = quoted(link.address.schema)
        self._look = LOOK.format(schema=schema)
        self._write = f"SELECT {schema}.write($1::json)"  # a proven name
        self._waiting: list[Call[object]] = []
        self._turn = anyio.Lock()
        self._in_doubt: dict[Hashable, Call[object]] = {}
        self._closed = False

    async def ask(self, call: Call[T]) -> T:
        """Have something done.

        Cancelled before it is asked for, it is never done; once asked for, it is waited for.

        Raises:
            JournalError: If the server cannot be reached for a while, or cannot write.
        """
        await checkpoint()
        if self._closed:
            raise JournalError(f"journal {self._link.address.uri!r} is closed: open it anew")
        self._waiting.append(call)  # type: ignore[arg-type]  # a list of calls with any answer
        with anyio.CancelScope(shield=True):
            async with self._turn:
                while not call.done:
                    batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                    await self._do(batch)
        return call.outcome()

    async def aclose(self) -> None:
        """Wait for what was asked for; nothing is done after it."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._turn:
                return

    async def _do(self, batch: Sequence[Call[object]]) -> None:
        """Do some calls, however often the connection is lost meanwhile, for as long as it is patient."""
        for call in batch:
            self._remember(call)
        give_up, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while left := [call for call in batch if not call.done]:
            try:
                await self._attempt(left)
            except LOST as error:
                if not passes(error) or time.monotonic() > give_up:
                    self._fail(left, self._link.failed(error))
                    return
            except FairdeployError as error:
                self._fail(left, error)
                return
            else:
                continue
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _attempt(self, calls: Sequence[Call[object]]) -> None:
        """Look, decide, write; what is done says so. Without an error, call it again for what is not."""
        async with self._link.connection() as connection:
            page, seq, now_ms = await self._read(connection, calls)
            for call in calls:
                if not call.done:
                    call.since = seq if call.since is None else call.since
                    call.decide(page, now_ms)
            changes = page.changes()
            base = seq if changes is None else await connection.fetchval(self._write, changes)
        if base is None:
            return  # somebody else has written what this was decided upon: look again
        for call in calls:
            if call.error is not None:
                call.fail(call.error)
            elif not call.done:
                call.written(base + (call.answer if isinstance(call.answer, int) else 0))

    async def _read(
        self, connection: PoolConnectionProxy, calls: Sequence[Call[object]]
    ) -> tuple[Page, int, int]:
        """Return what decides about the calls; those that have been written already are done with it."""
        doubtful = [call for call in calls if call.since is not None]
        row = await connection.fetchrow(
            self._look,
            sorted({rollout for call in calls for rollout in call.rollouts}),
            sorted({target for call in calls for target in call.targets}),
            min((call.since for call in doubtful if call.since is not None), default=2**62),
            [call.mark for call in doubtful],
        )
        if row is None:
            raise JournalError(f"journal {self._link.address.uri!r} did not answer a query: call again")
        written = {UUID(each["batch"]): int(each["seq"]) for each in _rows(row["written"])}
        for call in doubtful:
            if call.mark in written:
                call.written(written[call.mark])
        now_ms = row["now_ms"] if self._now_ms is None else self._now_ms()
        return Page(_rows(row["rollouts"]), _rows(row["leases"])), row["seq"], now_ms

    def _remember(self, call: Call[object]) -> None:
        """Give a call that repeats one without an answer the same mark."""
        before = self._in_doubt.pop(call.key, None)
        if before is not None:
            call.mark, call.since, call.answer = before.mark, before.since, before.answer

    def _fail(self, calls: Sequence[Call[object]], error: BaseException) -> None:
        for call in calls:
            call.fail(error)
            if call.since is not None:
                self._in_doubt[call.key] = call
        while len(self._in_doubt) > _IN_DOUBT:
            del self._in_doubt[next(iter(self._in_doubt))]


def _rows(text: str | None) -> list[dict[str, Any]]:  # columns of several types
    return [] if text is None else list(json.loads(text))

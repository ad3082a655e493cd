"""Keeping a lease while a rollout runs, and stopping in time when it cannot be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.control import Control, Leave
from fairdeploy.errors import Fenced, JournalError
from fairdeploy.protocols import Fence

if TYPE_CHECKING:
    from fairdeploy.model import Record
    from fairdeploy.protocols import Clock, Journal, Lease

__all__ = ["Tenure"]

_RENEW = 1 / 3
_STOP = 2 / 3
"""Shares of the time to live after which a lease is renewed, and after which, without a
renewal, no effect is begun. Measured on the monotonic clock, so that a wall clock that
jumps cannot make a lost lease look live."""
_AGAIN = 0.2
"""Seconds between two attempts to write a record."""
_OTHERS_FIRST = 1.0
"""Seconds after which a lease that has run out is renewed: whoever waits to take over, perhaps for a lock that this
process held while it stood still, does so meanwhile."""


@final
class Tenure:
    """A lease as its holder sees it."""

    def __init__(self, journal: Journal, lease: Lease, clock: Clock, control: Control) -> None:
        """Take the lease as just granted."""
        self._journal = journal
        self._lease = lease
        self._clock = clock
        self._control = control
        self._granted = clock.monotonic()
        self.ended = False

    @property
    def epoch(self) -> int:
        """The fencing token."""
        return self._lease.epoch

    async def fence(self, step: str) -> Fence:
        """Return what goes with the effects of a step.

        A lease that was not renewed for too long is renewed first: this process may have been
        stopped for a while, and whether somebody has taken over meanwhile, the journal knows.

        Raises:
            Fenced: If somebody has taken over.
            JournalError: If the lease cannot be renewed.
        """
        if self._clock.monotonic() - self._granted > self._sure:
            await self.renew()
        return Fence(epoch=self._lease.epoch, key=f"{self._lease.rollout}:{step}")

    @property
    def _sure(self) -> float:
        return self._lease.ttl_ms * _STOP / 1000

    async def renew(self) -> None:
        """Renew the lease: now, or a moment later if it has run out, for others are to take it first.

        Raises:
            Fenced: If somebody has taken over; the rollout is stopped.
            JournalError: If it cannot be written.
        """
        if self._clock.monotonic() - self._granted > self._lease.ttl_ms / 1000:
            await anyio.sleep(_OTHERS_FIRST)
        asked = self._clock.monotonic()
        try:
            self._lease = await self._journal.renew(self._lease)
        except Fenced:
            if not self.ended:
                self._control.stop(Leave(why="fenced"))
            raise
        self._granted = asked

    async def append(self, *records: Record, end: bool = False) -> None:
        """Append under the lease. Not interrupted half-way; tried again while the lease is sure.

        Raises:
            Fenced: If somebody has taken over; the rollout is stopped.
            JournalError: If it cannot be written.
        """
        with anyio.CancelScope(shield=True):
            await self._appended(*records, end=end)
            self.ended = self.ended or end

    async def _appended(self, *records: Record, end: bool) -> None:
        until = self._clock.monotonic() + self._sure
        while True:
            try:
                await self._journal.append(self._lease, *records, end=end)
            except Fenced:
                self._control.stop(Leave(why="fenced"))
                raise
            except JournalError as error:
                if not error.retryable or self._clock.monotonic() >= until:
                    raise
            else:
                return
            await anyio.sleep(_AGAIN)

    async def keep(self) -> None:
        """Renew until cancelled or the rollout has ended."""
        while not self.ended:
            await anyio.sleep(self._lease.ttl_ms * _RENEW / 1000)
            if self.ended:
                return
            try:
                await self.renew()
            except Fenced:
                return
            except JournalError:
                # Not renewed is not lost: `fence` stops the effects in time, and the next
                # attempt, a third of the time to live later, may succeed.
                continue

"""A journal that lets nobody act whom nobody guards."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, final

from fairdeploy.errors import FairdeployError, UnsupportedCapability
from fairdeploy.model import Command
from fairdeploy.protocols.journal import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.errors import RecordError
    from fairdeploy.model import Event, Plan, Record, RolloutId, TargetId, Unfenced
    from fairdeploy.protocols.journal import Journal, RolloutInfo
    from fairdeploy.protocols.lease import Lease

__all__ = ["GuardedJournal"]

_LOG = logging.getLogger("fairdeploy")


@final
class GuardedJournal:
    """A journal that sees to a guard before a rollout begins, is taken over, or is sent a command.

    Nothing begins unguarded. But what is on its way is not kept from being steered or recovered because no guard
    can be had.

    Args:
        journal: The records.
        guarded: See to a guard that stays at least until the block has ended.
    """

    def __init__(self, journal: Journal, guarded: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._journal = journal
        self._guarded = guarded

    @property
    def key(self) -> bytes:
        """See `Journal.key`."""
        return self._journal.key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """See `Journal.begin`; with a guard.

        Raises:
            StartError: If no guard can be kept.
        """
        async with self._guarded():
            return await self._journal.begin(rollout, plan, holder, ttl_ms)

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        """See `Journal.take`; with a guard if there can be one."""
        async with AsyncExitStack() as stack:
            await self._guarded_if_possible(stack)
            return await self._journal.take(rollout, holder, ttl_ms, reason=reason, dead=dead)

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`."""
        return await self._journal.renew(lease)

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`."""
        return await self._journal.append(lease, *records, end=end)

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """See `Journal.send`; a command with a guard if there can be one: it may have no other reader."""
        async with AsyncExitStack() as stack:
            if isinstance(record, Command):
                await self._guarded_if_possible(stack)
            return await self._journal.send(rollout, record)

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`."""
        return await self._journal.read(rollout, since=since)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`."""
        return await self._journal.rollouts(target, unfinished=unfinished, damaged=damaged)

    async def forget(self, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
        """See `Archive.forget`; no guard is needed for what has ended.

        Raises:
            UnsupportedCapability: If the journal cannot.
        """
        return await self._archive().forget(rollouts)

    async def restore(self, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
        """See `Archive.restore`; a guard is kept once something begins.

        Raises:
            UnsupportedCapability: If the journal cannot.
        """
        await self._archive().restore(rollouts, events)

    def _archive(self) -> Archive:
        if isinstance(self._journal, Archive):
            return self._journal
        raise UnsupportedCapability(
            f"this journal, a {type(self._journal).__name__}, cannot be pruned or filled: give one that is an Archive"
        )

    async def _guarded_if_possible(self, stack: AsyncExitStack) -> None:
        try:
            await stack.enter_async_context(self._guarded())
        except FairdeployError as error:
            _LOG.warning("going on without a guard: %s", error)

"""Removing from a PostgreSQL journal, and filling an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from fairdeploy.journal import rules
from fairdeploy.journal.postgres.link import LOST
from fairdeploy.journal.postgres.page import Page
from fairdeploy.journal.postgres.schema import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.journal.postgres.link import Link
    from fairdeploy.model import Event, RolloutId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["forget", "restore"]


async def forget(link: Link, rollouts: Sequence[RolloutId]) -> tuple[RolloutId, ...]:
    """Remove the finished ones. See `Archive.forget`.

    Raises:
        JournalError: If it cannot be written.
    """
    query = f"SELECT {quoted(link.address.schema)}.forget($1::text[])"  # a proven name
    gone: set[RolloutId] = set()
    try:
        with anyio.CancelScope(shield=True):
            async with link.connection() as connection:
                gone.update(await connection.fetchval(query, list(rollouts)))
    except LOST as error:
        failed = link.failed(error)
    else:
        return tuple(rollout for rollout in rollouts if rollout in gone)
    raise failed


async def restore(link: Link, rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> None:
    """Fill an empty journal. See `Archive.restore`.

    Raises:
        InvalidInput: If it holds something, or has held something.
        JournalError: If it cannot be written.
    """
    schema = quoted(link.address.schema)
    changes = await anyio.to_thread.run_sync(_changes, rollouts, events)
    if changes is None:
        return
    try:
        with anyio.CancelScope(shield=True):
            async with link.connection() as connection, connection.transaction():
                if await connection.fetchval(f"SELECT {schema}.write($1::json)", changes) != 0:
                    raise rules.holds_something()
                last = max((event.seq for event in events), default=0)
                await connection.execute(f"UPDATE {schema}.journal SET seq = $1", last)  # noqa: S608 -- a proven name
    except LOST as error:
        failed = link.failed(error)
    else:
        return
    raise failed


def _changes(rollouts: Sequence[RolloutInfo], events: Sequence[Event]) -> str | None:
    page = Page([], [])
    page.grants([base.target.id for info in rollouts for base in info.plan.bases])
    rules.restore(page, rollouts, events)
    return page.changes()

"""Reading a PostgreSQL journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

import anyio
import anyio.to_thread

from fairdeploy.errors import JournalError
from fairdeploy.journal import rows
from fairdeploy.journal.postgres.link import LOST, passes
from fairdeploy.journal.postgres.schema import quoted
from fairdeploy.journal.rules import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncpg import Record as Row

    from fairdeploy.errors import RecordError
    from fairdeploy.journal.postgres.link import Link
    from fairdeploy.model import Event, RolloutId, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["Reader"]

_PAUSE: Final = 0.1
_APART_MS: Final = 1_000
"""From where on two clocks are said to differ."""


@final
class Reader:
    """Reads what is committed, and reads again when the connection is lost meanwhile.

    Args:
        link: The connections.
        patience: Seconds for which a lost connection is made again before a call fails.
        wall: This machine's clock, if the server's may be another.
    """

    def __init__(self, link: Link, patience: float, wall: Callable[[], float] | None) -> None:
        self._link = link
        self._patience = patience
        self._wall = wall
        self._schema = quoted(link.address.schema)
        self._closed = False

    async def aclose(self) -> None:
        """Read no more, and let the connections go."""
        self._closed = True
        await self._link.aclose()

    async def events(self, rollout: RolloutId | None, since: int) -> tuple[Event, ...]:
        """Return the events after a position, of one rollout or of all.

        Raises:
            UnknownRollout: If one is named that does not exist.
            RecordError: If one cannot be understood.
            JournalError: If they cannot be read.
        """
        columns = (
            f"SELECT seq, rollout, epoch, at_ms, version, record FROM {self._schema}.event WHERE seq > $1"  # noqa: S608 -- a proven name
        )
        if rollout is None:
            found = await self._fetch(columns + " ORDER BY seq", since)
        else:
            found = await self._fetch(columns + " AND rollout = $2 ORDER BY seq", since, rollout)
            if not found and not await self._fetch(
                f"SELECT 1 FROM {self._schema}.rollout WHERE id = $1",  # noqa: S608 -- a proven name
                rollout,
            ):
                raise unknown(rollout)
        if not found:
            return ()
        return await anyio.to_thread.run_sync(lambda: tuple(rows.event(tuple(row)) for row in found))

    async def infos(
        self, target: TargetId | None, *, unfinished: bool, damaged: list[RecordError] | None = None
    ) -> tuple[RolloutInfo, ...]:
        """Return what is known of the rollouts, oldest first.

        Raises:
            RecordError: If a plan or result cannot be understood, and there is no place to say so.
            JournalError: If they cannot be read.
        """
        before = self._wall() if self._wall else 0.0
        found = await self._fetch(
            "SELECT id, targets, began_ms, holder, epoch, expires_ms, parked, result, due, plan,"  # noqa: S608 -- a proven name
            " (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms"
            f" FROM {self._schema}.rollout"
            " WHERE ($1::text IS NULL OR $1 = ANY(targets)) AND (unfinished OR NOT $2) ORDER BY number",
            target,
            unfinished,
        )
        if not found:
            return ()
        apart_ms = round((before + self._wall()) * 500) - found[0]["now_ms"] if self._wall else 0
        skew_ms = apart_ms if abs(apart_ms) > _APART_MS else 0
        return await anyio.to_thread.run_sync(
            lambda: rows.understood(found, lambda row: _info(row, skew_ms), damaged)
        )

    async def _fetch(self, query: str, *values: object) -> Sequence[Row]:
        if self._closed:
            raise JournalError(f"journal {self._link.address.uri!r} is closed: open it anew")
        give_up = time.monotonic() + self._patience
        while True:
            try:
                async with self._link.connection() as connection:
                    return await connection.fetch(query, *values)
            except LOST as error:
                failed, again = self._link.failed(error), passes(error)
            if not again or time.monotonic() > give_up:
                raise failed  # not from the driver's error: the frames that it passed may hold the password
            await anyio.sleep(_PAUSE)


def _info(row: Row, skew_ms: int) -> RolloutInfo:
    stands = rows.standing(
        row["id"],
        targets=row["targets"],
        began_ms=row["began_ms"],
        holder=row["holder"],
        epoch=row["epoch"],
        expires_ms=row["expires_ms"] + skew_ms,
        parked=row["parked"],
        result=row["result"],
        due=row["due"],
    )
    return rows.info(stands, row["plan"])

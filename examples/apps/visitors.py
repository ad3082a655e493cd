"""Visitors who write: each request is sent once, and what became of it is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import httpx

from apps.story import Counts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskStatus

__all__ = ["Tally", "keep_writing"]

_PATIENCE = 10.0
"""Seconds after which a visitor gives up."""


@dataclass(slots=True)
class Tally:
    """How the writes ended so far.

    Args:
        sent: Begun.
        accepted: Answered with a status below 300: each of these must be found in the data afterwards.
        app_errors: Answered with 500 or more by the application, as its `x-revision` shows.
        lost: Everything else.
    """

    sent: int = 0
    accepted: int = 0
    app_errors: int = 0
    lost: int = 0

    @property
    def counts(self) -> Counts:
        """The same in the words of a story."""
        return Counts(requests=self.sent, lost=self.lost, app_errors=self.app_errors)


async def keep_writing(
    write: Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]],
    tally: Tally,
    *,
    url: str,
    every: float,
    auth: tuple[str, str] | None = None,
    task_status: TaskStatus[anyio.Event] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Write on schedule, whatever the answers, until told to stop; then wait for the last answers.

    Args:
        write: Sends the request of the given number, from 1.
        tally: Is counted up.
        url: Where the router listens.
        every: Seconds between two writes.
        auth: Name and password.
        task_status: Hands out the event that ends it.
    """
    stop = anyio.Event()
    async with (
        httpx.AsyncClient(base_url=url, auth=auth, timeout=_PATIENCE) as client,
        anyio.create_task_group() as tasks,
    ):
        task_status.started(stop)
        first = anyio.current_time()
        while not stop.is_set():
            tally.sent += 1
            tasks.start_soon(_write_once, write, client, tally.sent, tally)
            with anyio.move_on_after(first + tally.sent * every - anyio.current_time()):
                await stop.wait()


async def _write_once(
    write: Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]],
    client: httpx.AsyncClient,
    number: int,
    tally: Tally,
) -> None:
    try:
        answer = await write(client, number)
    except httpx.HTTPError:
        tally.lost += 1
        return
    if answer.is_success:
        tally.accepted += 1
    elif answer.is_server_error and "x-revision" in answer.headers:
        tally.app_errors += 1
    else:
        tally.lost += 1

"""Several things at once, with the error of the first that failed, not a group of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import FairdeployError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ["together"]


async def together(calls: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Make all calls at once, to their end, then raise the first error of ours.

    Raises:
        FairdeployError: Whichever came first; the others have run nevertheless.
    """
    errors: list[FairdeployError] = []

    async def one(call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except FairdeployError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(one, call)
    if errors:
        raise errors[0]

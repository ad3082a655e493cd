"""A connection to a router's private unix socket, however deep its folder lies."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc

from fairdeploy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

__all__ = ["Unreachable", "opened"]

_ANSWER_S: Final = 5.0
_MAX_PATH: Final = 107  # bytes that fit into sockaddr_un on Linux


class Unreachable(Exception):
    """The router does not answer: it is starting, or does not run."""


@asynccontextmanager
async def opened(folder: Path, socket: str) -> AsyncIterator[anyio.abc.ByteStream]:
    """Give a connection to a socket in a folder.

    Raises:
        Unreachable: If nobody listens there.
    """
    try:
        with anyio.fail_after(_ANSWER_S), _reachable(folder, socket) as place:
            stream = await anyio.connect_unix(place)
    except (OSError, TimeoutError) as exc:
        raise Unreachable(f"the router in {str(folder)!r} does not answer: {exc}") from exc
    async with stream:
        yield stream


@contextmanager
def _reachable(folder: Path, socket: str) -> Iterator[str]:
    """Give a path to a socket that is short enough, however deep the folder lies."""
    path = str(folder / socket)
    if len(path.encode()) <= _MAX_PATH:
        yield path
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{handle}/{socket}"
        if not os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112 - it is no path of the file system
            raise RouterError(
                f"folder {str(folder)!r} is too long for a unix socket on this system: choose a shorter one"
            )
        yield short
    finally:
        os.close(handle)

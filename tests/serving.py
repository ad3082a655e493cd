"""Serving HTTP in a test's own event loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["serving"]


@asynccontextmanager
async def serving(runner: web.BaseRunner, *, port: int = 0, unix: Path | None = None) -> AsyncIterator[int]:
    """Serve on the loopback address, or on a unix socket, while the block runs; give the port."""
    await runner.setup()
    door = _door(port, unix)
    try:
        await web.SockSite(runner, door).start()
        yield 0 if unix else door.getsockname()[1]
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(60):
            # Whoever asyncio has accepted, but not yet met, when a server closes is left open for ever: first the
            # door is shut, then those who came through it are met, then all are sent away.
            asyncio.get_running_loop().remove_reader(door)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await runner.cleanup()
        door.close()


def _door(port: int, unix: Path | None) -> socket.socket:
    if unix is None:
        return socket.create_server(("127.0.0.1", port))
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(unix))
    door.listen()
    return door

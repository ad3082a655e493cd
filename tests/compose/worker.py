"""A worker without a port: counts notes until SIGTERM, and writes down when it began and when it had finished."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import asyncpg


def told(what: str) -> None:
    """Add a line to what the revision has told; the clock is the machine's, the same in every container."""
    with Path("/traces", os.environ.get("REVISION", "by-hand")).open("a", encoding="utf-8") as file:
        file.write(f"{what} {time.monotonic_ns()}\n")


async def main() -> None:
    """Work until it is told to end; what was begun is finished."""
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    told("began")
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=0, max_size=1) as pool:
        while not ending.is_set():
            # Its session may have been ended, and the database be another one in a moment.
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await pool.fetchval("SELECT count(*) FROM notes")
            await asyncio.sleep(0.05)
    told("finished")


if __name__ == "__main__":
    asyncio.run(main())

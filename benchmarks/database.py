"""What a database's way back takes: the gap of a swap under busy clients, and backup, proof and restore beside the bare tools."""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import anyio
import asyncpg

from _figures import ms, say, title
from _postgres import PostgresServer, server
from fairdeploy.database.address import DatabaseAddress
from fairdeploy.database.comparing import loss
from fairdeploy.database.programs import ran
from fairdeploy.database.restoring import drop, restore_beside, verify_backup
from fairdeploy.database.swapping import swap
from fairdeploy.database.taking import take_backup

NAME = "bench"
CLIENTS = 4
_REST_S = 0.0005
_AGAIN_S = 0.005
"""Before a client that was refused tries again."""


@final
@dataclass(slots=True)
class Client:
    """Asks one question after the other, on a new connection whenever the last one was ended."""

    dsn: str
    answered: list[float] = field(default_factory=list)
    broken: int = 0

    async def ask(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                connection = await asyncpg.connect(self.dsn)
                try:
                    while True:
                        await connection.fetchval("SELECT name FROM samples WHERE id = 7")
                        self.answered.append(time.monotonic())
                        await anyio.sleep(_REST_S)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                self.broken += 1
                await anyio.sleep(_AGAIN_S)

    def gap(self) -> float:
        """Return the longest time between two answers, in milliseconds."""
        pairs = zip(self.answered, self.answered[1:], strict=False)
        return max((later - earlier) * 1000 for earlier, later in pairs)


async def swapped(running: PostgresServer, times: int) -> None:
    """Swap a database there and back while clients use it."""
    address = DatabaseAddress(running.dsn(NAME), programs=running.binaries.folder)
    running.sql(f"CREATE DATABASE {NAME}_0 TEMPLATE {NAME}")
    closed: list[float] = []
    gaps: list[float] = []
    broken = 0
    for number in range(times):
        clients = [Client(address.dsn) for _ in range(CLIENTS)]
        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(client.ask)
            await anyio.sleep(0.2)
            closed.append(await swap(address, f"{NAME}_{number}", f"{NAME}_{number + 1}"))
            await anyio.sleep(0.2)
            tasks.cancel_scope.cancel()
        gaps += [client.gap() for client in clients]
        broken += sum(client.broken for client in clients)
    title(f"swap of a restored database under {CLIENTS} busy clients, {times} times (p50 / p99 / max)")
    say("longest time between two answers to a client", ms(gaps, 50, 99, 100), budget="50 ms")
    say("nobody may connect", ms(closed, 50, 99, 100))
    say("connections ended", f"{broken / times / CLIENTS:.1f} a client and swap")


async def seconds(what: object) -> float:
    """Return how long it takes to await something, in seconds."""
    began = time.monotonic()
    await what  # type: ignore[misc]  # any coroutine
    return time.monotonic() - began


async def backed_up(running: PostgresServer, folder: Path, rows: int) -> None:
    """Take, prove and restore a backup, beside what PostgreSQL's own programs take for it alone."""
    address = DatabaseAddress(running.dsn(NAME), programs=running.binaries.folder)
    bare = folder / "bare"
    dump = await seconds(
        ran(
            address, "pg_dump", f"--dbname={address.dsn}", "--format=custom", "--compress=1", f"--file={bare}"
        )
    )
    running.sql(f"CREATE DATABASE {NAME}_bare TEMPLATE template0")
    there = address.named(f"{NAME}_bare")
    restore = await seconds(ran(there, "pg_restore", f"--dbname={there.dsn}", "--jobs=2", str(bare)))
    began = time.monotonic()
    backup = await take_backup(address, folder / "backups")
    took = time.monotonic() - began
    began = time.monotonic()
    backup = await verify_backup(address, folder / "backups", backup)
    proved = time.monotonic() - began
    name = f"{NAME}_restored"
    restored = await seconds(restore_beside(address, folder / "backups", backup, name))
    counted = await seconds(loss(address, address.named(name), f"backup {backup.id!r}"))
    await drop(address, name)
    title(f"backup of {rows:,} rows, an archive of {backup.size / 1e6:.0f} MB")
    say("take_backup, with a fingerprint", f"{took:.1f} s", beside=f"pg_dump alone {dump:.1f} s")
    say("restore_beside, compared", f"{restored:.1f} s", beside=f"pg_restore alone {restore:.1f} s")
    say(
        "verify_backup: restored, compared, pg_amcheck",
        f"{proved:.1f} s",
        beside=f"pg_restore alone {restore:.1f} s",
    )
    say("loss report, where nothing differs", f"{counted:.1f} s")


async def main(rows: int, times: int) -> None:
    """Print all figures."""
    with server("max_wal_size=4GB", "shared_buffers=256MB") as running, tempfile.TemporaryDirectory() as name:
        running.sql(f"CREATE DATABASE {NAME}")
        running.sql("CREATE TABLE samples (id bigserial PRIMARY KEY, name text, note text)", NAME)
        fill = f"INSERT INTO samples (name, note) SELECT 'sample ' || n, md5(n::text) FROM generate_series(1, {rows}) n"  # noqa: S608 -- a number
        running.sql(fill, NAME)
        await swapped(running, times)
        await backed_up(running, Path(name), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=25)
    found = parser.parse_args()
    anyio.run(main, found.rows, found.times)

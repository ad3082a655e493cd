"""A visitor in a process of its own: one request after the other, and a note whenever somebody else answers.

``python benchmarks/_visitor.py PORT WATCHED`` runs until its input ends. It prints the monotonic time at which each
change was noticed: of the revision that answers, and of the watched file (which a rename replaces).
"""

from __future__ import annotations

import http.client
import select
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import anyio

__all__ = ["Change", "changes", "first", "visitor"]

_REST_S = 0.0003
RENAMED = "(renamed)"


@final
@dataclass(frozen=True, slots=True)
class Change:
    """When something else was there: a revision that answered, or the watched file."""

    at: float
    what: str


@asynccontextmanager
async def visitor(port: int, watched: Path, log: Path) -> AsyncIterator[None]:
    """Visit while the block runs; then `changes` reads the log."""
    with log.open("wb") as output:
        process = await anyio.open_process(
            [sys.executable, __file__, str(port), str(watched)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=None,
        )
    try:
        with anyio.fail_after(20):
            while not changes(log):  # noqa: ASYNC110 -- another process sets no event here
                await anyio.sleep(0.05)
        yield
        if process.stdin is not None:
            await process.stdin.aclose()
        with anyio.move_on_after(5):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


def changes(log: Path) -> list[Change]:
    """Return what a visitor has noted so far."""
    lines = (line.split() for line in log.read_text().splitlines())
    return [Change(float(line[0]), line[1]) for line in lines if len(line) == 2]


def first(seen: Sequence[Change], what: str, after: float) -> float:
    """Return when something was first noticed after a moment."""
    return next(change.at for change in seen if change.at >= after and change.what == what)


def _visit(port: int, watched: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    answering, inode = "", watched.stat().st_ino
    while not select.select([sys.stdin], [], [], 0)[0]:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        now = time.monotonic()
        if (revision := answer.headers.get("x-revision", "-")) != answering:
            print(now, answering := revision, flush=True)
        for _ in range(4):
            if (found := watched.stat().st_ino) != inode:
                inode = found
                print(time.monotonic(), RENAMED, flush=True)
            time.sleep(_REST_S / 4)


if __name__ == "__main__":
    _visit(int(sys.argv[1]), Path(sys.argv[2]))

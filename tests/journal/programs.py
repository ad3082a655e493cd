"""Other programs that use a journal, and a way that loses answers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import anyio
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream
    from anyio.streams.stapled import MultiListener

__all__ = ["Way", "child", "last_words", "way"]

_PREAMBLE = """
    import os, sys, anyio
    from dataclasses import replace
    from fairdeploy.errors import *
    from fairdeploy.journal import SQLiteJournal
    from fairdeploy.model import Progressed
    from tests.journal.plans import plan, ended

    path = sys.argv[1]

    def opened():
        if "://" in sys.argv[1]:
            from fairdeploy.journal.postgres import PostgresJournal
            return PostgresJournal.open(sys.argv[1])
        return SQLiteJournal.open(sys.argv[1])
"""


def child(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start another program; `opened()` in it opens the journal that its first argument names."""
    code = textwrap.dedent(_PREAMBLE) + textwrap.dedent(script) + "\nanyio.run(main)\n"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def last_words(program: subprocess.Popen[str]) -> str:
    """Wait for a program's end, and return what it said until then."""
    with program:
        try:
            return program.communicate(timeout=200)[0]
        finally:
            program.kill()


@final
@dataclass(slots=True)
class Way:
    """A way to a server that can lose the answer to something asked on it.

    Args:
        port: Where it begins, on the loopback address.
        lose: Once this has been sent on it, its answer does not come back: the connection is cut. Once only.
        for_good: Whether no other connection is taken after that.
        shut: Whether it takes no connection now.
        lost: How many answers were lost.
    """

    port: int
    lose: bytes | None = None
    for_good: bool = False
    shut: bool = False
    lost: int = 0
    _asked: set[int] = field(default_factory=set)

    async def carry(self, number: int, here: SocketStream, there: SocketStream) -> None:
        """Carry bytes both ways until one end, or this way, closes."""
        async with here, there, anyio.create_task_group() as tasks:
            tasks.start_soon(self._forth, number, here, there, tasks.cancel_scope)
            tasks.start_soon(self._back, number, there, here, tasks.cancel_scope)

    async def _forth(
        self, number: int, here: SocketStream, there: SocketStream, end: anyio.CancelScope
    ) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await here.receive()
                if self.lose is not None and self.lose in data:
                    self._asked.add(number)
                    self.lose, self.shut = None, self.for_good
                await there.send(data)
        end.cancel()

    async def _back(
        self, number: int, there: SocketStream, here: SocketStream, end: anyio.CancelScope
    ) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await there.receive()
                if number in self._asked:
                    self.lost += 1
                    break
                await here.send(data)
        end.cancel()


def _port(listener: MultiListener[SocketStream]) -> int:
    return int(listener.extra(SocketAttribute.local_port))  # noqa: S610 -- not Django's


@asynccontextmanager
async def way(to: int) -> AsyncIterator[Way]:
    """Lay a way to a port of the loopback address."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        made = Way(int(_port(listener)))
        count = iter(range(1_000_000))

        async def take(here: SocketStream) -> None:
            async with here:
                if not made.shut:
                    await made.carry(next(count), here, await anyio.connect_tcp("127.0.0.1", to))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, take)
            yield made
            tasks.cancel_scope.cancel()

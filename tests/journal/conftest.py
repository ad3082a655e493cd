from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy.journal import MemoryJournal, SQLiteJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.protocols import Clock, Journal


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def wall(self) -> float:
        """Return what was set."""
        return self.seconds

    def monotonic(self) -> float:
        """Return what was set."""
        return self.seconds


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops."""
    return str(request.param)


@pytest.fixture
def clock() -> SetClock:
    """Stand still until the test moves it."""
    return SetClock()


@pytest.fixture(params=["memory", "sqlite"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Callable[[], AbstractAsyncContextManager[Journal]]:
    """Open a journal of each kind."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Journal]:
        if request.param == "memory":
            async with MemoryJournal(clock) as journal:
                yield journal
        else:
            async with SQLiteJournal.open(tmp_path / "journal.db", clock) as journal:
                yield journal

    return make

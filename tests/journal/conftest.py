from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy.journal import MemoryJournal, SQLiteJournal
from fairdeploy.journal.postgres import PostgresJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from fairdeploy.protocols import Clock, Journal


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave PostgreSQL out on trio, which its driver does not know."""
    items[:] = [item for item in items if not {"trio", "postgres"} <= _parameters(item)]


def _parameters(item: pytest.Item) -> set[object]:
    call = getattr(item, "callspec", None)
    return {each for each in call.params.values() if isinstance(each, str)} if call else set()


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


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Callable[[], AbstractAsyncContextManager[Journal]]:
    """Open a journal of each kind."""
    dsn = request.getfixturevalue("postgres") if request.param == "postgres" else ""

    @asynccontextmanager
    async def make() -> AsyncIterator[Journal]:
        match request.param:
            case "memory":
                async with MemoryJournal(clock) as journal:
                    yield journal
            case "sqlite":
                async with SQLiteJournal.open(tmp_path / "journal.db", clock) as journal:
                    yield journal
            case _:
                async with PostgresJournal.open(dsn, clock=clock) as journal:
                    yield journal

    return make

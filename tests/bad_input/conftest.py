"""One folder with a release that serves, for all tests of a module: what is refused must leave it as it is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bad_input.standing import Standing, standing


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run a module's tests in one loop, so that they can share what it opened."""
    return "asyncio"


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a short private folder: pytest's own is too long for a unix socket."""
    found = Path(tempfile.mkdtemp(prefix="fd-"))
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
async def on() -> AsyncIterator[Standing]:
    """Give a folder in which a release serves; all of it is stopped in the end."""
    folder = Path(tempfile.mkdtemp(prefix="fd-"))
    async with standing(folder) as found:
        yield found
    shutil.rmtree(folder)

"""Backends and keepers whose processes are ended with the test."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.host._process import kill_marked, marked
from fairdeploy.journal import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager


PATIENT_MS = 90_000
"""Who shares a folder waits while another starts its daemon: that takes long on a busy machine."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a short private folder: pytest's own is too long for a unix socket."""
    found = Path(tempfile.mkdtemp(prefix="fd-"))
    yield found
    for link in Path(tempfile.gettempdir()).glob(f"fairdeploy-{os.geteuid()}/*/of"):
        if link.readlink().is_relative_to(found):
            shutil.rmtree(link.parent)
    shutil.rmtree(found)


def _end(keeper: SupervisorKeeper) -> None:
    kill_marked(keeper._home.mark)  # a shutdown in good order takes a second
    assert not marked(keeper._home.mark)


@pytest.fixture
async def keeper(folder: Path) -> AsyncIterator[SupervisorKeeper]:
    """Give a keeper in the folder."""
    found = SupervisorKeeper(folder, deadline_ms=PATIENT_MS)
    yield found
    _end(found)


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[Path], AbstractAsyncContextManager[LocalBackend]]]:
    """Give a way to open backends whose keepers are ended with the test."""
    async with AsyncExitStack() as stack:
        ending: set[Path] = set()

        @asynccontextmanager
        async def opening(path: Path) -> AsyncGenerator[LocalBackend]:
            keeper = SupervisorKeeper(path.parent / f"{path.name}.keeper", deadline_ms=PATIENT_MS)
            if path not in ending:
                ending.add(path)
                stack.callback(_end, keeper)
            async with LocalBackend.open(path, keeper=keeper, journal=MemoryJournal()) as backend:
                yield backend

        yield opening


@pytest.fixture
async def backend(
    folder: Path, opened: Callable[[Path], AbstractAsyncContextManager[LocalBackend]]
) -> AsyncIterator[LocalBackend]:
    """Give a backend in the folder."""
    async with opened(folder / "backend") as found:
        yield found

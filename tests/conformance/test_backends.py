"""Our backends keep the contract that we ask of others."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.host._process import kill_marked
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Capability, Job, Release
from fairdeploy.testing.conformance import BackendConformance
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World
from fairdeploy.testing.simulation.router import ROUTER_ABILITIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairdeploy.protocols import Backend
    from fairdeploy.testing.conformance import Opened

EVERYTHING = ROUTER_ABILITIES | {
    Capability.REVISIONS,
    Capability.REPLICAS,
    Capability.JOBS,
    Capability.FENCED,
}


class TestSimulated(BackendConformance):
    """The simulated backend, with its clock on the event loop's own time."""

    capabilities = EVERYTHING | {Capability.DELEGATED}
    job = Job("succeeds", command=["true"])

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """Run on both event loops."""
        return str(request.param)

    @pytest.fixture
    def opened(self) -> Opened[Backend]:
        """Open backends on one world."""
        quick = {"start_seconds": 0.01, "job_seconds": 0.01, "last_words": self.words}
        exiting = self.exiting
        assert exiting is not None
        world = World(
            {
                self.unstartable.revision: Behaviour(start_error="no such program"),
                exiting.revision: Behaviour(crash_seconds=0.01, restart_seconds=None, **quick),  # type: ignore[arg-type]  # as named
            },
            default=Behaviour(job_codes={self.failing_job.name: 3}, **quick),  # type: ignore[arg-type]  # as named
        )
        journal = MemoryJournal()

        @asynccontextmanager
        async def opening() -> AsyncIterator[Backend]:
            yield SimulatedBackend(world, journal=journal)

        return opening


@pytest.mark.local
class TestLocal(BackendConformance):
    """The local backend, with real processes."""

    capabilities = EVERYTHING

    @pytest.fixture
    def opened(self) -> Iterator[Opened[Backend]]:
        """Open backends on one folder, and end what they started with the test."""
        folder = Path(tempfile.mkdtemp(prefix="fd-"))
        keeper = SupervisorKeeper(folder / "keeper")

        @asynccontextmanager
        async def opening() -> AsyncIterator[Backend]:
            async with LocalBackend.open(
                folder / "backend", keeper=keeper, journal=MemoryJournal()
            ) as backend:
                yield backend

        yield opening
        kill_marked(keeper._home.mark)
        if keeper._home.run != keeper._home.folder:
            shutil.rmtree(keeper._home.run)
        shutil.rmtree(folder)

    def release(self, version: str) -> Release:
        """Return one that stops at once."""
        return Release(version, command=["sleep", "3600"], stop_grace_ms=1_000)

"""The Compose backend keeps the contract of all backends, on a real Docker Engine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.local import SupervisorKeeper
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Capability, Release
from fairdeploy.testing.conformance import BackendConformance
from fairdeploy.testing.simulation.router import ROUTER_ABILITIES
from tests.compose.stage import project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairdeploy.protocols import Backend
    from fairdeploy.testing.conformance import Opened

pytestmark = [pytest.mark.docker]


@pytest.mark.timeout(400)
class TestCompose(BackendConformance):
    """Containers made by Compose, in a project of each test's own."""

    capabilities = ROUTER_ABILITIES | {
        Capability.REVISIONS,
        Capability.REPLICAS,
        Capability.JOBS,
        Capability.FENCED,
    }

    @pytest.fixture
    def opened(self, application_image: str) -> Iterator[Opened[Backend]]:
        """Open backends on one project, and remove its containers with the test."""
        journal = MemoryJournal()
        with project(f"services: {{app: {{image: {application_image}, command: [sleep, '3600']}}}}") as made:

            @asynccontextmanager
            async def opening() -> AsyncIterator[Backend]:
                keeper = SupervisorKeeper(made.folder / "keeper")
                async with ComposeBackend.open(
                    made.file, "app", home=made.home, journal=journal, keeper=keeper
                ) as backend:
                    yield backend

            yield opening

    def release(self, version: str) -> Release:
        """Return one that stops at once."""
        command = ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]
        return Release(version, command=command, stop_grace_ms=1_000)

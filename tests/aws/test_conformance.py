"""The backend of ECS keeps the contract that we ask of others, on emulators of AWS."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from fairdeploy.backends.ecs import ECSBackend
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Capability, Job, Release
from fairdeploy.testing.conformance import BackendConformance
from tests.aws.worlds import worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.protocols import Backend
    from fairdeploy.testing.conformance import Opened

pytestmark = pytest.mark.aws

WORKERS = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS})
SPEAKING = "print('one', 'two', 'three', sep=chr(10), flush=True)"


@pytest.mark.aws
class TestContainers(BackendConformance):
    """With real containers: ministack on a Docker Engine."""

    capabilities = WORKERS
    patience = 60.0
    tells_ages = False  # this emulator answers in whole seconds, ECS itself in milliseconds
    unstartable = Release("cannot", command=["python3"], config={"etc/app.ini": "nowhere to be put"})
    speaking = Release("speaks", command=["python3", "-c", f"{SPEAKING}; import time; time.sleep(3600)"])
    exiting = Release("exits", command=["python3", "-c", f"{SPEAKING}; raise SystemExit(3)"])
    job = Job("succeeds", command=["python3", "-c", "import os; print(os.urandom(8).hex())"])
    failing_job = Job("fails", command=["python3", "-c", "raise SystemExit(3)"])

    @pytest.fixture
    def opened(self, containers_url: str, application_image: str) -> Opened[Backend]:
        """Open backends on one service."""
        place = anyio.run(lambda: worker(containers_url, image=application_image))

        @asynccontextmanager
        async def opening() -> AsyncIterator[Backend]:
            async with ECSBackend.open(place, journal=MemoryJournal(), poll=0.0) as backend:
                yield backend

        return opening

    def release(self, version: str) -> Release:
        """Return one that stops at once."""
        return Release(
            version, command=["python3", "-c", "import time; time.sleep(3600)"], stop_grace_ms=1_000
        )

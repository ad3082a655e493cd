"""The backend of a cluster keeps the contract that we ask of others: in a real one, where pods run."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.backends.kubernetes import KubernetesBackend, PodSettings
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Capability, Release
from fairdeploy.testing.conformance import BackendConformance
from tests.cluster import Reached, namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairdeploy.protocols import Backend
    from fairdeploy.testing.conformance import Opened

pytestmark = [pytest.mark.kubernetes, pytest.mark.whole_cluster]
BOX = "fairdeploy/box:1"
SAYING = "echo one; echo two; echo three"


class TestKubernetes(BackendConformance):
    """With real pods."""

    capabilities = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED})
    patience: ClassVar[float] = 60.0
    tells_ages: ClassVar[bool] = False
    unstartable: ClassVar[Release] = Release("cannot", command=["serve", "{uds}"])
    speaking: ClassVar[Release] = Release(
        "speaks", command=["sh", "-c", f"{SAYING}; exec sleep 3600"], stop_grace_ms=1_000
    )
    exiting: ClassVar[Release | None] = Release("exits", command=["sh", "-c", f"{SAYING}; exit 3"])

    @pytest.fixture
    def opened(self, whole_cluster: Reached) -> Iterator[Opened[Backend]]:
        """Open backends on one namespace."""
        journal = MemoryJournal()
        with namespace(whole_cluster) as name:

            @asynccontextmanager
            async def opening() -> AsyncIterator[Backend]:
                async with KubernetesBackend.open(
                    f"kubernetes:///{name}",
                    kubeconfig=str(whole_cluster.kubeconfig),
                    settings=PodSettings(image=BOX),
                    journal=journal,
                ) as backend:
                    yield backend

            yield opening

    def release(self, version: str) -> Release:
        """Return one that stops at once."""
        return Release(version, command=["sleep", "3600"], stop_grace_ms=1_000)

"""The journal in a ConfigMap keeps the contract of journals: an API server is enough."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.kubernetes.journal import ConfigMapJournal
from fairdeploy.routing.kubernetes.client import connected
from fairdeploy.testing.conformance import JournalConformance
from tests.cluster import Reached, namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairdeploy.protocols import Journal
    from fairdeploy.testing.conformance import Opened

pytestmark = pytest.mark.kubernetes


class TestConfigMap(JournalConformance):
    """In a namespace of each test's own."""

    @pytest.fixture
    def opened(self, api_server: Reached) -> Iterator[Opened[Journal]]:
        """Open journals of one namespace."""
        with namespace(api_server) as name:

            @asynccontextmanager
            async def opening() -> AsyncIterator[Journal]:
                async with (
                    connected(name, kubeconfig=str(api_server.kubeconfig)) as client,
                    ConfigMapJournal.open(client) as journal,
                ):
                    yield journal

            yield opening

"""The sources that come with the package hold what `MetricSource` promises."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.to_thread
import pytest

from fairdeploy.metrics import MemorySource, PrometheusCounters
from fairdeploy.model import PrometheusSource, Target
from fairdeploy.testing.conformance import MetricSourceConformance
from tests.metrics.prometheus import SCRAPE, Exporter, Server, exporting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fairdeploy.protocols import MetricSource
    from fairdeploy.testing.conformance import Counted, Opened


@dataclass
class Told:
    """Requests told to a source in memory."""

    source: MemorySource

    async def count(self, target: Target, revision: str, *, requests: int, errors: int) -> None:
        """See `Counted.count`."""
        for number in range(requests):
            self.source.add(target, revision, milliseconds=number, error=number < errors)

    async def restart(self, target: Target, revision: str) -> None:
        """See `Counted.restart`."""

    def down(self) -> None:
        """See `Counted.down`."""


class TestMemory(MetricSourceConformance):
    """`MemorySource`."""

    restarts = False
    goes_down = False

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """Run on both event loops."""
        return str(request.param)

    @pytest.fixture
    def source(self) -> MemorySource:
        """Give the one source."""
        return MemorySource()

    @pytest.fixture
    def counted(self, source: MemorySource) -> Counted:
        """Give who tells it."""
        return Told(source)  # type: ignore[return-value]  # memory is never down

    @pytest.fixture
    def opened(self, source: MemorySource) -> Opened[MetricSource]:
        """Give it, open as ever."""

        @asynccontextmanager
        async def it() -> AsyncIterator[MetricSource]:
            yield source

        return it


@dataclass
class Scraped:
    """Requests that a Prometheus reads from an exporter."""

    exporter: Exporter
    server: Server

    async def count(self, target: Target, revision: str, *, requests: int, errors: int) -> None:
        """See `Counted.count`."""
        self.exporter.answer(target.id, revision, requests=requests, errors=errors)

    async def restart(self, target: Target, revision: str) -> None:
        """See `Counted.restart`."""
        self.exporter.restart(target.id, revision)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """See `Counted.down`."""
        await anyio.to_thread.run_sync(self.server.stop)
        yield
        await anyio.to_thread.run_sync(self.server.start)


@contextmanager
def scraped(folder: Path) -> Iterator[Scraped]:
    """Run an exporter and a Prometheus that reads it."""
    with exporting() as (exporter, address):
        server = Server(folder, address)
        server.start()
        try:
            yield Scraped(exporter, server)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """Run one server for all."""
    with scraped(tmp_path_factory.mktemp("prometheus")) as found:
        yield found


NUMBERS = count()


@pytest.mark.timeout(400)
class TestPrometheus(MetricSourceConformance):
    """`PrometheusCounters`, on a real Prometheus."""

    settle: ClassVar[float] = SCRAPE * 2.5
    within: ClassVar[float] = 90.0
    patience: ClassVar[float] = 90.0

    @pytest.fixture
    def target(self) -> Target:
        """Give a target that no other test has."""
        return Target("shop", environment=f"test-{next(NUMBERS)}")

    @pytest.fixture
    def elsewhere(self) -> Target:
        """Give another one."""
        return Target("shop", environment=f"test-{next(NUMBERS)}")

    @pytest.fixture
    def counted(self, one: Scraped) -> Counted:
        """Give what one server scrapes."""
        return one

    @pytest.fixture
    def opened(self, counted: Scraped) -> Opened[MetricSource]:
        """Open it, for any target."""
        source = PrometheusSource(
            counted.server.url,
            requests='http_requests_total{target="{target}",revision="{revision}"}',
            errors='http_requests_total{target="{target}",revision="{revision}",code="500"}',
            latency='http_request_duration_seconds_bucket{target="{target}",revision="{revision}"}',
            timeout_ms=60_000,
        )

        @asynccontextmanager
        async def it() -> AsyncIterator[MetricSource]:
            yield PrometheusCounters(source)

        return it

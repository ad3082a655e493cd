"""A real application behind a real router, under a load that never retries."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fairdeploy import Deployer, HTTPProbe, Probes, Release, Target
from fairdeploy.backends.local import LocalBackend, open_keeper
from fairdeploy.protocols import Journal
from fairdeploy.testing.load import LoadProcess, LoadReport, LoadSettings, Traffic, load_process, standard_mix
from tests.killing import killed_at
from tests.ports import free_port

__all__ = ["Stage", "application", "kill_at", "lost", "stage", "stopped", "under_load"]


def application(version: str, *options: str, app: str = "polite") -> Release:
    """Return a release of one of the shipped applications."""
    module = f"fairdeploy.testing.apps.{app}"
    command = [sys.executable, "-m", module, "--uds", "{uds}", "--revision", "{revision}", *options]
    return Release(version, command=command, probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a proof acts on."""

    folder: Path
    backend: LocalBackend
    deployer: Deployer
    target: Target

    @property
    def url(self) -> str:
        """Where visitors go."""
        return f"http://{self.target.endpoint}"

    async def leftovers(self) -> set[str]:
        """Return the revisions that are there besides stable."""
        seen = await self.backend.observe(self.target)
        return {revision.id for revision in seen.revisions} - {str(seen.stable)}


@asynccontextmanager
async def stage(
    folder: Path, *, replicas: int = 2, guard: bool = False, journal: Journal | None = None
) -> AsyncIterator[Stage]:
    """Open a folder, and stop all that runs in it in the end. Without a guard, unless it is what is proved."""
    target = Target("shop", replicas=replicas, endpoint=f"127.0.0.1:{free_port()}", drain_ms=15_000)
    async with LocalBackend.open(folder, guard=guard, journal=journal) as backend, stopped(folder):
        yield Stage(folder=folder, backend=backend, deployer=Deployer(backend, validate=False), target=target)


@asynccontextmanager
async def stopped(folder: Path) -> AsyncIterator[None]:
    """Stop all that runs in a folder when the block ends."""
    try:
        yield
    finally:
        await open_keeper(folder / "keeper").shutdown()


@asynccontextmanager
async def under_load(
    url: str, *, rate: float, requests: int, mix: tuple[Traffic, ...] = (), seed: int = 0
) -> AsyncIterator[LoadProcess]:
    """Send an open load from another process until the block ends, or so many requests are sent."""
    settings = LoadSettings(max_requests=requests, seed=seed, max_in_flight=4_000)
    async with load_process(url, mix=mix or standard_mix(), rate=rate, settings=settings) as load:
        yield load


async def kill_at(on: Stage, strategy: str, place: str, *more: str) -> None:
    """Deploy in another program and kill it as soon as it has told of a place."""
    words = (on.backend.uri, str(on.target.endpoint), "v1", strategy, *more)
    await killed_at(place, "-m", "tests.proof.deployment", *words)


def lost(report: LoadReport) -> str:
    """Return a text for a failing assertion: what was lost and why."""
    return f"{report}\n" + "\n".join(str(loss) for loss in report.lost_requests[:10]) if report.lost else ""

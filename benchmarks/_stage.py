"""A real application behind a real router on the loopback address; everything is stopped in the end."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import anyio

from fairdeploy import Canary, Deployer, HTTPProbe, Probes, Release, Rolling, Target
from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.model import Plan, Shift
from fairdeploy.protocols import TrafficRouter
from fairdeploy.testing._ports import free_port

__all__ = ["Stage", "application", "free_port", "monotonic", "stage"]


def application(version: str, *options: str, place: str = "uds") -> Release:
    """Return a release of the polite application, on a unix socket or (``place="port"``) a port."""
    module = "fairdeploy.testing.apps.polite"
    command = [
        sys.executable,
        "-m",
        module,
        f"--{place}",
        f"{{{place}}}",
        "--revision",
        "{revision}",
        *options,
    ]
    return Release(version, command=command, probes=Probes(readiness=HTTPProbe("/health", interval_ms=100)))


def monotonic(wall_ms: int) -> float:
    """Return when a record was written, on the clock that all processes of this machine share."""
    return wall_ms / 1000 - time.time() + time.monotonic()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a benchmark acts on."""

    folder: Path
    backend: LocalBackend
    deployer: Deployer
    target: Target

    @property
    def url(self) -> str:
        """Where visitors go."""
        return f"http://{self.target.endpoint}"

    @property
    def router(self) -> TrafficRouter:
        """The backend's router."""
        if self.backend.router is None:
            raise AssertionError
        return self.backend.router

    async def begin(self, release: Release) -> None:
        """Deploy the first release."""
        await self.deployer.deploy(self.target, release, Rolling())

    async def beside(self, release: Release) -> tuple[str, str]:
        """Bring another revision up beside stable, ready and without traffic; return stable and it."""
        plan = await self.deployer.plan(self.target, release, Canary(analysis=(), dynamic_scale=False))
        first = next(index for index, step in enumerate(plan.steps) if isinstance(step, Shift))
        async with self.deployer.run(replace(plan, steps=plan.steps[:first])) as rollout:
            await rollout.result()
        base = plan.bases[0]
        return str(base.stable), str(base.candidate)

    async def shifts(self, release: Release, shares: tuple[int, ...]) -> Plan:
        """Return a plan of nothing but weights for a release that is there already, in basis points."""
        plan = await self.deployer.plan(self.target, release, Canary(analysis=(), dynamic_scale=False))
        base = plan.bases[0]
        pattern = next(step for step in plan.steps if isinstance(step, Shift) and step.split is not None)
        if base.stable is None or base.candidate is None or pattern.split is None:
            raise AssertionError
        splits = [type(pattern.split).between(base.stable, base.candidate, share) for share in shares]
        steps = tuple(
            Shift(f"shift-{number}", target=self.target.id, split=split)
            for number, split in enumerate(splits, 1)
        )
        return replace(plan, steps=steps)


@asynccontextmanager
async def stage(*, replicas: int = 1) -> AsyncIterator[Stage]:
    """Open a folder, and stop all that runs in it in the end; SIGTERM counts as an interrupt."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "deployments"
        keeper = SupervisorKeeper(Path(name) / "keeper")
        target = Target("shop", replicas=replicas, endpoint=f"127.0.0.1:{free_port()}", drain_ms=10_000)
        async with LocalBackend.open(folder, keeper=keeper) as backend:
            try:
                yield Stage(
                    folder=folder, backend=backend, deployer=Deployer(backend, validate=False), target=target
                )
            finally:
                with anyio.CancelScope(shield=True):
                    await keeper.shutdown()

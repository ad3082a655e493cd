"""A real application behind a real router, and everything of it that a refusal must leave alone."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx

from fairdeploy import BlueGreen, Deployer, Plan, Target
from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.host._process import marked
from fairdeploy.model import Deployment, Routes
from tests.ports import free_port
from tests.proof.stage import application

__all__ = ["SWITCH", "Standing", "everything", "standing"]

SWITCH = BlueGreen(watch=0.1, keep_warm=0)


def everything(folder: Path, *without: str) -> Mapping[str, tuple[str, bytes]]:
    """Return kind, mode and content of everything in a folder, by path.

    Left out are logs, which what runs goes on writing, empty files that are only locked, and SQLite's index of
    its write-ahead log, which is memory that readers share.
    """
    found: dict[str, tuple[str, bytes]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        name = str(path.relative_to(folder))
        if ".log" in path.name or path.name.endswith(("-shm", "lock")) or name.startswith(without):
            continue
        mode = path.lstat().st_mode
        found[name] = (stat.filemode(mode), path.read_bytes() if stat.S_ISREG(mode) else b"")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a release serves.

    Args:
        folder: The backend's.
        backend: On it.
        deployer: On that.
        target: What is served.
        early: A plan for the target from before anything was deployed.
        keeper: Keeps what runs.
    """

    folder: Path
    backend: LocalBackend
    deployer: Deployer
    target: Target
    early: Plan
    keeper: SupervisorKeeper

    @property
    def pids(self) -> list[int]:
        """Every process of the folder."""
        return sorted(marked(self.keeper._home.mark))

    async def serves(self) -> str:
        """Ask as a visitor; return which revision answers."""
        async with httpx.AsyncClient(timeout=60) as visitor:
            answer = await visitor.get(f"http://{self.target.endpoint}/")
        assert answer.status_code == 200
        return answer.headers["x-revision"]

    async def seen(self) -> tuple[Deployment, Routes | None]:
        """Return what the backend and the router say."""
        assert self.backend.router is not None
        traffic = await self.backend.router.observe(self.target)
        return await self.backend.observe(self.target), traffic.written


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Standing]:
    """Deploy a first release, and stop everything in the end."""
    target = Target("shop", replicas=1, endpoint=f"127.0.0.1:{free_port()}", drain_ms=5_000)
    keeper = SupervisorKeeper(folder / "keeper")
    async with LocalBackend.open(folder / "deployments", keeper=keeper) as backend:
        deployer = Deployer(backend, validate=False)
        try:
            early = await deployer.plan(target, application("early"), SWITCH)
            await deployer.deploy(target, application("1"), SWITCH)
            yield Standing(
                folder=folder / "deployments",
                backend=backend,
                deployer=deployer,
                target=target,
                early=early,
                keeper=keeper,
            )
        finally:
            with anyio.CancelScope(shield=True):
                await keeper.shutdown()
    assert marked(keeper._home.mark) == []

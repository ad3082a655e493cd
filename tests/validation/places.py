"""Real applications on a real backend, without a keeper where none is needed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.backends.local import LocalBackend
from fairdeploy.model import HTTPProbe, Probes, Release, Target
from fairdeploy.preflight import DeploymentValidator, rehearsal as rehearsing
from fairdeploy.protocols import Scene
from tests.ports import free_port
from tests.proof.stage import stopped

if TYPE_CHECKING:
    from fairdeploy.model import Finding, ValidationResult

SLOW = "/slow?seconds=2"
"""Takes long enough for a request to be in flight for certain, on a busy machine too."""
_READY = 90.0
"""Seconds that a trial instance is given on a busy machine."""


def application(app: str, *options: str, address: str = "--uds={uds}", **more: object) -> Release:
    """Return a release of one of the shipped applications."""
    command = [sys.executable, "-m", f"fairdeploy.testing.apps.{app}", address, *options]
    given = {"probes": Probes(readiness=HTTPProbe("/health", interval_ms=100)), **more}
    return Release("1.0", command=command, **given)  # type: ignore[arg-type]  # tests give what fits


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[LocalBackend]:
    """Open a backend in a folder, and stop what runs there in the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsing, "_READY_WITHIN", _READY)
        async with LocalBackend.open(folder / "d", guard=False) as backend, stopped(folder / "d"):
            yield backend


def target(environment: str = "production") -> Target:
    """Return a target with a free port."""
    return Target("shop", environment=environment, replicas=1, endpoint=f"127.0.0.1:{free_port()}")


async def rehearsal(
    backend: LocalBackend, release: Release, *, path: str | None = None
) -> dict[str, Finding]:
    """Run the rehearsal alone."""
    (validation,) = [each for each in backend.validations() if each.name == "rehearsal"]
    found = await validation.look(Scene(backend=backend, target=target(), release=release, path=path))
    return {finding.name: finding for finding in found}


async def validated(backend: LocalBackend, release: Release, *without: str) -> ValidationResult:
    """Validate everything but what is left out."""
    return await DeploymentValidator(backend, target(), release, without=without).validate_deployment()


def left(backend: LocalBackend) -> list[Path]:
    """List what trial instances have left in the folder."""
    return list((Path(backend.uri.removeprefix("local://")) / "rehearsals").iterdir())

"""Where an example runs: a folder of its own, a backend in it, and nothing left of either at the end."""

from __future__ import annotations

import shutil
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from fairdeploy import HTTPProbe, Probes, Release, SecretRef
from fairdeploy.backends.local import LocalBackend, SupervisorKeeper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from apps.release import AppRelease
    from apps.story import Story
    from fairdeploy import Deployer, Event, RolloutResult, Target
    from fairdeploy.protocols import Strategy

__all__ = ["free_endpoint", "open_backend", "release_of", "roll", "run_folder", "tell"]

_TOLD = {"settled", "judged", "undoing", "took_over"}
"""What of a rollout's events makes a story; the journal holds them all."""

_WIDTH = 180
"""Characters of an event that are told."""

_FAREWELL = 60.0
"""Seconds that stopping everything may take."""


@asynccontextmanager
async def run_folder(cache: Path, name: str) -> AsyncGenerator[Path]:
    """Make a folder for one run; at the end stop whatever runs from it, and remove it.

    Args:
        cache: The folder around it.
        name: The example's name.

    Yields:
        The folder.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=cache))
    try:
        yield folder
    finally:
        # What the backend started outlives programs on purpose; an example should leave nothing behind.
        with anyio.CancelScope(shield=True), anyio.move_on_after(_FAREWELL):
            await SupervisorKeeper(folder / "keeper").shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def open_backend(folder: Path) -> AsyncGenerator[LocalBackend]:
    """Open the backend of a run's folder, in this program or in another.

    Args:
        folder: From `run_folder`.

    Yields:
        The backend.
    """
    # Supervisor also where systemd runs: what it keeps can be ended with it.
    async with LocalBackend.open(
        folder / "deployments", keeper=SupervisorKeeper(folder / "keeper")
    ) as backend:
        yield backend


def free_endpoint() -> str:
    """Return an address of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def release_of(app: AppRelease, *, secrets: Mapping[str, SecretRef] | None = None) -> Release:
    """Say what runs; where and how many is the target's business.

    Args:
        app: The application.
        secrets: Variables whose values are found elsewhere when an instance starts.
    """
    return Release(
        app.version,
        command=app.command,
        env={**app.env, **(secrets or {})},
        config=app.config,
        # Jupyter answers to names of this machine only; the router's own checks must call it by one.
        probes=Probes(readiness=HTTPProbe(app.health, host="127.0.0.1")),
    )


async def roll(
    story: Story,
    deployer: Deployer,
    target: Target,
    release: Release,
    strategy: Strategy,
    *,
    heard: Callable[[Event], Awaitable[None]] | None = None,
) -> RolloutResult:
    """Plan, run, and tell what happens.

    Args:
        story: Tells it.
        deployer: Releases.
        target: Where.
        release: What.
        strategy: How.
        heard: Is given every event.

    Returns:
        How it ended.
    """
    plan = await deployer.plan(target, release, strategy)
    async with deployer.run(plan) as rollout:
        async for event in rollout.events():
            tell(story, event)
            if heard is not None:
                await heard(event)
        return await rollout.result()


def tell(story: Story, event: Event) -> None:
    """Tell an event, if it belongs in a story."""
    if event.record.kind in _TOLD:
        # Without its time of day, as the story has its own clock, and without all that a failed command had to say.
        story.say(f"  {str(event).partition('  ')[2][:_WIDTH]}")

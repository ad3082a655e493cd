"""Upgrade a notebook server while people compute in it, and nobody's variables are gone.

    uv run examples/notebooks.py [--json] [--workdir FOLDER] [--no-drain]

Jupyter Server goes from 2.20.0 to 2.21.1, blue-green. It knows no polite stop: at SIGTERM it kills every kernel in the
middle of a cell. So whoever holds a websocket stays where they are until they leave, and newcomers get the new one.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
from websockets.exceptions import WebSocketException

from apps.environments import cache_folder
from apps.notebooks import KernelError, open_kernel, prepare_notebooks
from apps.place import free_endpoint, open_backend, release_of, roll, run_folder
from apps.story import Counts, Story
from fairdeploy import BlueGreen, Deployer, HTTPCheck, Rolling, SecretRef, Target
from fairdeploy.testing.load import Get, LoadProcess, load_process

if TYPE_CHECKING:
    from apps.release import AppRelease
    from fairdeploy import Event, Release

_VISITORS = 3
_CELLS_AFTER_THE_SWITCH = 6
_PAUSE = 0.5
"""Seconds between two cells of a visitor."""

_READS = (
    Get("/api", kind="api", weight=4),
    Get("/api", kind="api, new connection", weight=1, fresh=True),
)


@dataclass(slots=True)
class Room:
    """What visitors share, and what became of them.

    Args:
        url: Where the router listens.
        token: The server's.
        switched: Set once newcomers reach the new release.
        cells: Cells that gave the right answer.
        losses: What went wrong, one line a visitor.
    """

    url: str
    token: str
    switched: anyio.Event = field(default_factory=anyio.Event)
    cells: int = 0
    losses: list[str] = field(default_factory=list)


async def compute(room: Room, story: Story, name: str, *, begun: anyio.Event | None = None) -> None:
    """Be a visitor: count upwards in a variable of the kernel, until some time after the switch."""
    try:
        async with httpx.AsyncClient(base_url=room.url) as client, open_kernel(client, room.token) as kernel:
            await kernel.run("cells = 0")
            story.say(f"  {name} computes on Jupyter Server {kernel.version}")
            if begun is not None:
                begun.set()
            expected = left = 0
            while left < _CELLS_AFTER_THE_SWITCH:
                expected += 1
                left += room.switched.is_set()
                if (answer := await kernel.run("cells += 1; cells")) != str(expected):
                    room.losses.append(f"{name} expected {expected} and got {answer!r}")
                    return
                room.cells += 1
                await anyio.sleep(_PAUSE)
            story.say(f"  {name} leaves, after {expected} cells on {kernel.version}")
    except (httpx.HTTPError, KernelError, WebSocketException, OSError) as exc:
        room.losses.append(f"{name} lost the kernel: {exc}")
    finally:
        if begun is not None:
            begun.set()


async def upgrade(room: Room, story: Story, deployer: Deployer, target: Target, release: Release) -> None:
    """Switch; the drain that follows lasts until the last old visitor has left."""

    async def heard(event: Event) -> None:
        if event.record.kind == "settled" and event.record.step == "switch":
            room.switched.set()

    with story.phase("blue-green", "Jupyter Server 2.21.1; whoever computes goes on computing") as phase:
        async with anyio.create_task_group() as visitors:
            for number in range(1, _VISITORS + 1):
                begun = anyio.Event()
                visitors.start_soon(
                    lambda name, begun: compute(room, story, name, begun=begun), f"visitor {number}", begun
                )
                await begun.wait()
            visitors.start_soon(_newcomer, room, story)
            # Nobody needs the old one once its last visitor has left: their kernels are gone with them.
            strategy = BlueGreen(verify=(HTTPCheck("/api"),), watch=1, keep_warm=0)
            phase.outcome = (await roll(story, deployer, target, release, strategy, heard=heard)).outcome
            room.switched.set()


async def _newcomer(room: Room, story: Story) -> None:
    await room.switched.wait()
    await compute(room, story, "a newcomer")


async def whole_story(options: argparse.Namespace) -> int:
    """Tell it; return the exit status: 0 if nobody lost a kernel and no request was lost."""
    story = Story(machine=options.json)
    cache = cache_folder(options.workdir)
    async with run_folder(cache, "notebooks") as folder:
        notebooks = await prepare_notebooks(cache, folder, story.say)
        patience = 0 if options.no_drain else 60_000
        target = Target(
            "notebooks",
            environment="example",
            endpoint=free_endpoint(),
            sticky=True,
            drain_ms=patience,
            stream_drain_ms=patience,
        )
        room = Room(f"http://{target.endpoint}", secrets.token_urlsafe())
        old, new = (_release(app, folder, room.token) for app in (notebooks.current, notebooks.newer))
        async with open_backend(folder) as backend:
            deployer = Deployer(backend)
            with story.phase("first deploy", "Jupyter Server 2.20.0") as phase:
                phase.outcome = (await roll(story, deployer, target, old, Rolling())).outcome
            async with load_process(room.url, mix=_READS, rate=40) as load:
                story.count = lambda: _counts(load)
                await upgrade(room, story, deployer, target, new)
        story.fact("cells_run", "cells that visitors ran", room.cells)
        story.fact("kernels_lost", "kernels lost", len(room.losses))
        for loss in room.losses:
            story.say(loss)
        total = _counts(load)
        story.end(total)
        return 1 if total.lost or room.losses or story.surprises else 0


def _release(app: AppRelease, folder: Path, token: str) -> Release:
    """Give the token by a file that only this user can read; no record, log or argument list ever holds it."""
    secret = folder / "token"
    secret.touch(mode=0o600)
    secret.write_text(token)
    return release_of(app, secrets={"JUPYTER_TOKEN": SecretRef.file(secret)})


def _counts(load: LoadProcess) -> Counts:
    report = load.snapshot()
    return Counts(requests=report.requests, lost=report.lost, app_errors=report.app_errors)


def main() -> int:
    """Read the command line and tell the story."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with a line of JSON, for programs")
    parser.add_argument(
        "--workdir", type=Path, help="a folder for downloads and state, instead of the user's cache"
    )
    parser.add_argument(
        "--no-drain", action="store_true", help="the control: wait for nobody, and lose every kernel"
    )
    return anyio.run(whole_story, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

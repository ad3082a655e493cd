"""Changing a Compose service: `up -d`, docker-rollout's procedure, and ours, same application, same load; reading, routers."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import anyio
import anyio.to_thread

from _compose import APP, Change, compose, docker, made_anew, remove, rolled_out, under_load
from _figures import ms, p, say, title
from _stage import free_port
from fairdeploy import BlueGreen, Deployer, HTTPProbe, Probes, Release, Target
from fairdeploy.backends.compose import ComposeBackend
from fairdeploy.backends.local import open_keeper
from fairdeploy.compose import read_compose
from fairdeploy.errors import FairdeployError
from latency import once

QUICK = BlueGreen(watch=0, analysis=())


def release(version: str) -> Release:
    """Return a version of the application."""
    probes = Probes(readiness=HTTPProbe("/health", interval_ms=50))
    return Release(version, command=[*APP, "{port}", "--revision", version], probes=probes)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A service that we deploy."""

    backend: ComposeBackend
    deployer: Deployer
    target: Target
    port: int


@asynccontextmanager
async def ours(folder: Path, image: str, *, light: bool = False) -> AsyncIterator[Ours]:
    """Deploy the first version, and stop the router in the end."""
    port = free_port()
    (folder / "compose.yaml").write_text(f"services: {{app: {{image: {image}, expose: ['8000']}}}}")
    target = Target("app", endpoint=f"127.0.0.1:{port}")
    async with ComposeBackend.open(folder / "compose.yaml", "app", guard=False, light=light) as backend:
        deployer = Deployer(backend, validate=False)
        try:
            await deployer.deploy(target, release("v1"), QUICK)
            yield Ours(backend=backend, deployer=deployer, target=target, port=port)
        finally:
            with anyio.CancelScope(shield=True):
                await open_keeper(folder / ".fairdeploy" / "keeper").shutdown()


async def blue_green(folder: Path, image: str, rate: float, *, light: bool = False) -> tuple[Change, Change]:
    """Change the service by blue-green, and go back to what is still warm."""
    async with ours(folder, image, light=light) as on:
        there = await under_load(
            on.port, rate, "v2", lambda: on.deployer.deploy(on.target, release("v2"), QUICK)
        )
        why = "to see how long it takes"
        return there, await under_load(
            on.port, rate, "v1", lambda: on.deployer.rollback(on.target, reason=why)
        )


async def reading(folder: Path, image: str, times: int) -> None:
    """Print what reading a file takes, beside Compose's own reading, which is part of it."""
    (folder / "compose.yaml").write_text(f"services: {{app: {{image: {image}, expose: ['8000']}}}}")
    file = str(folder / "compose.yaml")

    async def compose_alone() -> None:
        words = ("--file", file, "config", "--format", "json")
        await anyio.to_thread.run_sync(compose, folder, *words)

    async def took(act: Callable[[], Awaitable[object]]) -> float:
        began = time.monotonic()
        await act()
        return (time.monotonic() - began) * 1000

    pairs = [(await took(lambda: read_compose(file)), await took(compose_alone)) for _ in range(times)]
    mine, bare = zip(*pairs, strict=True)
    say("read_compose, p50 / max", ms(mine, 50, 100), beside=f"docker compose config {ms(bare, 50, 100)}")


async def latency(folder: Path, image: str, rate: float, rounds: int, *, light: bool) -> None:
    """Print what a router adds to a request, beside the container asked directly."""
    async with ours(folder, image, light=light) as on:
        seen = await on.backend.observe(on.target)
        (address,) = [str(each.address) for one in seen.revisions for each in one.instances]
        urls = (f"http://{address}", f"http://127.0.0.1:{on.port}")
        # In turn, so that whatever else the machine does befalls both.
        hosts = (address.rpartition(":")[0],)
        samples = [[await once(url, rate, 2, hosts=hosts) for url in urls] for _ in range(rounds)]
    figures = []
    for index in (0, 1):
        direct, through = (p([each[leg][index] for each in samples], 50) for leg in (0, 1))
        figures.append((through - direct, direct))
    added, alone = (" / ".join(f"{each[place]:.2f}" for each in figures) + " ms" for place in (0, 1))
    say(f"added by {'HAProxy' if light else 'Envoy'}, p50 / p99", added, beside=f"direct {alone}")


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", help="with fairdeploy in it; default: the newest that the tests have made")
    parser.add_argument("--rate", type=float, default=100, help="requests a second (100)")
    parser.add_argument("--rounds", type=int, default=5, help="of reading and of latency (5)")
    given = parser.parse_args()
    tags = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "fairdeploy-test/python").split()
    if not given.image and not tags:
        raise FairdeployError("no image: run the tests of Compose once, or give --image")
    image, rate = given.image or tags[0], given.rate
    title(f"Changing a Compose service, at {rate:g} requests a second")
    with tempfile.TemporaryDirectory(prefix="fdebench") as place:
        folders = [Path(place) / f"{Path(place).name}{letter}".lower() for letter in "abcdefgh"]
        for folder in folders:
            folder.mkdir()
        try:
            by = {
                "docker compose up -d": await made_anew(folders[0], image, rate),
                "docker-rollout": await rolled_out(folders[1], image, rate),
                "docker-rollout, with its hook": await rolled_out(folders[2], image, rate, drains=True),
                "blue-green, Envoy": await blue_green(folders[3], image, rate),
                "blue-green, HAProxy": await blue_green(folders[4], image, rate, light=True),
            }
            for who, (there, back) in by.items():
                say(f"{who}: to v2", str(there))
                say(f"{who}: back", str(back))
            await reading(folders[5], image, given.rounds)
            await latency(folders[6], image, rate, given.rounds, light=False)
            await latency(folders[7], image, rate, given.rounds, light=True)
        finally:
            for folder in folders:
                remove(folder.name)


if __name__ == "__main__":
    anyio.run(main)

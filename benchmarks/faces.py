"""What the faces cost: the first answer of the command line, and a call through the door for programs that do not await."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.from_thread import start_blocking_portal

import fairdeploy
from _figures import ms, p, say, title
from fairdeploy import Deployer, Target
from fairdeploy.testing.simulation import SimulatedBackend

TARGET = Target("shop", endpoint="127.0.0.1:8080")
BARE = "from cyclopts import App\napp = App(name='bare')\napp.command('json:dumps', name='dumps', help='x')\napp(['--help'])"


def started(*argv: str) -> float:
    """Return the milliseconds that a program takes from its start to its end."""
    began = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def timed(call: Callable[[], object], rounds: int) -> list[float]:
    """Return the milliseconds that each call takes."""
    samples = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        samples.append((time.perf_counter() - began) * 1000)
    return samples


@asynccontextmanager
async def simulated() -> AsyncGenerator[SimulatedBackend]:
    """Open a backend in memory: what is measured is the way to it."""
    yield SimulatedBackend()


async def awaited(rounds: int) -> list[float]:
    """Return the milliseconds of the same question asked by a program that awaits."""
    deployer = Deployer(SimulatedBackend())
    samples = []
    for _ in range(rounds):
        began = time.perf_counter()
        await deployer.status(TARGET)
        samples.append((time.perf_counter() - began) * 1000)
    return samples


async def _nothing() -> None:
    """Do nothing: the price of the portal alone."""


def main(rounds: int) -> None:
    """Print the figures."""
    title(f"the command line, medians of {rounds}")
    commands = {
        "bare": (sys.executable, "-c", "pass"),
        "cyclopts": (sys.executable, "-c", BARE),
        "ours": (sys.executable, "-m", "fairdeploy", "--help"),
    }
    for argv in commands.values():
        started(*argv)
    runs = [{name: started(*argv) for name, argv in commands.items()} for _ in range(rounds)]
    took = {name: p([run[name] for run in runs], 50) for name in commands}
    beside = (
        f"an empty program of the same parser {took['cyclopts']:.0f} ms, bare Python {took['bare']:.0f} ms"
    )
    say("`fairdeploy --help`", f"{took['ours']:.0f} ms", budget="150 ms", beside=beside)

    calls = rounds * 100
    title(f"a blocking call, p50 / p95 of {calls}")
    with fairdeploy.blocking(simulated) as deployer:
        door = timed(lambda: deployer.status(TARGET), calls)
    with start_blocking_portal() as portal:
        bare = timed(lambda: portal.call(_nothing), calls)
    direct = anyio.run(awaited, calls)
    over = p(door, 50) - p(direct, 50)
    beside = f"awaited {ms(direct, 50, 95)}, a bare portal {ms(bare, 50, 95)}"
    say("`status` through the door", ms(door, 50, 95), beside=beside)
    say("  over the awaited one", f"{over:.2f} ms", budget="0.5 ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)

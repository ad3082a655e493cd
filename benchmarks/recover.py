"""A deploying program is killed at 25 %: from the next one's `recover()` to traffic on stable alone."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import anyio
from anyio.streams.text import TextReceiveStream

from _figures import ms, say, title
from _stage import Stage, application, stage
from fairdeploy import Canary, Deployer, Target
from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.testing.load import LoadProcess, LoadSettings, keep_alive, load_process, new_connection

HEARD_S = 0.6
REACHED = "at 25 %"


async def deploy(folder: Path, endpoint: str, version: str) -> None:
    """Be the program that is killed."""
    target = Target("shop", endpoint=endpoint, drain_ms=10_000)
    async with LocalBackend.open(folder, keeper=SupervisorKeeper(folder.parent / "keeper")) as backend:
        deployer = Deployer(backend, validate=False)
        plan = await deployer.plan(target, application(version), Canary(steps=[25, 100], bake=600))
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                if getattr(event.record, "step", "") == "bake-25":
                    print(REACHED, flush=True)


async def killed(on: Stage, version: str) -> float:
    """Run the program until it has given 25 % away, kill it, and return when."""
    argv = [sys.executable, __file__, "--folder", str(on.folder), "--endpoint", str(on.target.endpoint)]
    async with await anyio.open_process([*argv, "--version", version], stderr=None) as program:
        if program.stdout is None:
            raise AssertionError
        with anyio.fail_after(60):
            async for text in TextReceiveStream(program.stdout):
                if REACHED in text:
                    break
        await anyio.sleep(0.5)
        program.send_signal(signal.SIGKILL)
        at = time.monotonic()
        await program.wait()
    return at


async def one(on: Stage, load: LoadProcess, version: str) -> tuple[float, float]:
    """Return when traffic was on stable alone and when `recover` had ended, in milliseconds after its call."""
    await killed(on, version)
    called = time.monotonic()
    results = await on.deployer.recover()
    ended = time.monotonic()
    if [result.promoted for result in results] != [False]:
        raise SystemExit(str(results))
    await anyio.sleep(HEARD_S)
    bad = [each for name, each in load.snapshot().by_revision.items() if name.startswith(f"{version}-")]
    return max(0.0, (bad[0].last_started - called) * 1000), (ended - called) * 1000


async def main(times: int, rate: float) -> None:
    """Print the figures."""
    mix = (keep_alive(weight=90), new_connection(weight=10))
    settings = LoadSettings(max_requests=200_000, max_in_flight=2_000)
    async with stage() as on:
        await on.begin(application("good"))
        async with load_process(on.url, mix=mix, rate=rate, settings=settings) as load:
            found = [await one(on, load, f"bad{number}") for number in range(1, times + 1)]
        report = load.report()
        title(f"SIGKILL of the deploying program at 25 %, {times} times, {rate:g} requests/s (p50 / max)")
        say(
            "recover() to the last request started on the left revision",
            ms([each[0] for each in found], 50, 100),
            budget="2 s",
        )
        say("recover() to its return (drained, stopped, recorded)", ms([each[1] for each in found], 50, 100))
        say("requests lost meanwhile", f"{report.lost} of {report.requests}", budget="0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--rate", type=float, default=300)
    for part in ("folder", "endpoint", "version"):
        parser.add_argument(f"--{part}", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        anyio.run(deploy, Path(given.folder), given.endpoint, given.version)
    else:
        anyio.run(main, given.times, given.rate)

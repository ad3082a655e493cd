"""A deploying program is killed at 25 % and nobody does anything: from the SIGKILL to traffic on stable alone, by the guard."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

import anyio
from anyio.streams.text import TextReceiveStream

from _figures import ms, say, title
from _stage import application, free_port
from fairdeploy import Canary, Deployer, Rolling, Target
from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.testing.load import LoadProcess, LoadSettings, keep_alive, load_process, new_connection

HEARD_S = 0.6
REACHED = "at 25 %"
PAUSE_S = 0.05


def target_at(endpoint: str) -> Target:
    """Return the target of every deployment here."""
    return Target("shop", endpoint=endpoint, drain_ms=10_000)


async def deploy(folder: Path, endpoint: str, version: str) -> None:
    """Be the program that is killed."""
    async with LocalBackend.open(folder) as backend:
        deployer = Deployer(backend, validate=False)
        plan = await deployer.plan(
            target_at(endpoint), application(version), Canary(steps=[25, 100], bake=600)
        )
        async with deployer.run(plan) as rollout:
            async for event in rollout.events():
                if getattr(event.record, "step", "") == "bake-25":
                    print(REACHED, flush=True)


async def killed(folder: Path, endpoint: str, version: str) -> float:
    """Run the program until it has given 25 % away, kill it, and return when."""
    argv = [sys.executable, __file__, "--folder", str(folder), "--endpoint", endpoint, "--version", version]
    async with await anyio.open_process(argv, stderr=None) as program:
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


async def one(
    folder: Path, on: LocalBackend, load: LoadProcess, version: str, endpoint: str
) -> tuple[float, float]:
    """Return when traffic was on stable alone and when the rollout had ended, in milliseconds after the kill."""
    at = await killed(folder, endpoint, version)
    with anyio.fail_after(60):
        while any(info.open for info in await on.journal.rollouts(unfinished=True)):  # noqa: ASYNC110 - another process ends it
            await anyio.sleep(PAUSE_S)
    ended = time.monotonic()
    await anyio.sleep(HEARD_S)
    bad = [each for name, each in load.snapshot().by_revision.items() if name.startswith(f"{version}-")]
    return max(0.0, (bad[0].last_started - at) * 1000), (ended - at) * 1000


async def main(times: int, rate: float) -> None:
    """Print the figures."""
    mix = (keep_alive(weight=90), new_connection(weight=10))
    settings = LoadSettings(max_requests=200_000, max_in_flight=2_000)
    endpoint = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "deployments"
        async with LocalBackend.open(folder) as on:
            try:
                await Deployer(on, validate=False).deploy(target_at(endpoint), application("good"), Rolling())
                async with load_process(f"http://{endpoint}", mix=mix, rate=rate, settings=settings) as load:
                    found = [await one(folder, on, load, f"bad{n}", endpoint) for n in range(1, times + 1)]
                report = load.report()
            finally:
                await SupervisorKeeper(folder / "keeper").shutdown()
    title(
        f"SIGKILL of the deploying program at 25 %, a guard running, {times} times, {rate:g} requests/s (p50 / max)"
    )
    say(
        "SIGKILL to the last request started on the left revision",
        ms([each[0] for each in found], 50, 100),
        budget="lease time (15 s) + 2 s",
    )
    say("SIGKILL to the end recorded (drained, stopped)", ms([each[1] for each in found], 50, 100))
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

"""Release an application that nobody here wrote, six times over, while visitors use it.

    uv run examples/quickstart.py [--json] [--workdir FOLDER] [--rate REQUESTS_PER_SECOND]

It serves the Palmer penguins with Datasette. Everything comes from PyPI and is kept in a cache folder; everything runs
on this machine, is reached by loopback only, and is stopped at the end.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import time
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx

from apps.catalogue import READS, REPORT, Catalogue, catalogue_in, prepare_catalogue
from apps.environments import cache_folder
from apps.place import free_endpoint, open_backend, release_of, roll, run_folder, tell
from apps.story import Counts, Story
from apps.visitors import Tally, keep_writing
from fairdeploy import (
    BlueGreen,
    Canary,
    Deployer,
    DeploymentError,
    ErrorRate,
    HTTPCheck,
    Rolling,
    Target,
    ValidationError,
)
from fairdeploy.testing.load import LoadProcess, LoadReport, load_process

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from apps.release import AppRelease
    from fairdeploy import Event, RolloutResult
    from fairdeploy.protocols import Strategy

_ERRORS = ErrorRate(max_percent=1, min_requests=60)
"""Sixty requests hold three failures of a release that fails 5 %, and none of a good one."""

_AIR = 0.8
"""Requests that may be under way at a time, on average: two cores then have air for what else happens."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What every chapter needs.

    Args:
        story: Tells it.
        deployer: Releases.
        target: Where.
        catalogue: What.
    """

    story: Story
    deployer: Deployer
    target: Target
    catalogue: Catalogue

    @property
    def folder(self) -> Path:
        """The folder of this run."""
        return self.catalogue.database.parent


async def first_deploy(stage: Stage) -> None:
    """Bring up what there is nothing before."""
    with stage.story.phase("first deploy", "Datasette 0.64.8 from PyPI, two instances behind Envoy") as phase:
        phase.outcome = (await _roll(stage, stage.catalogue.current, Rolling())).outcome


async def canary(stage: Stage) -> None:
    """Move to the newer release by a growing share of the traffic."""
    with stage.story.phase(
        "canary", "Datasette 0.65.5 gets 10 % of the requests, then 50, then all"
    ) as phase:
        strategy = Canary(steps=(10, 50, 100), bake=2.5, analysis=(_ERRORS,), every=0.25)
        stage.story.show(await stage.deployer.plan(stage.target, release_of(stage.catalogue.newer), strategy))
        phase.outcome = (await _roll(stage, stage.catalogue.newer, strategy)).outcome


async def bad_release(stage: Stage, load: LoadProcess) -> None:
    """Release a version whose health is green and whose pages fail: it must come back by itself."""
    bad = stage.catalogue.unreliable
    with stage.story.phase(
        "bad release", "a canary that fails 1 page in 20 while its health stays green", expect="rolled_back"
    ) as phase:
        strategy = Canary(steps=(25, 100), bake=(120, 2), analysis=(_ERRORS,), every=0.25)
        result = await _roll(stage, bad, strategy)
        phase.outcome = result.outcome
        await anyio.sleep(1)  # the load's figures are up to half a second old
        verdict = next(e for e in await _events(stage, result) if e.record.kind == "undoing").at_ms / 1000
        last = load.snapshot().by_revision[bad.version].last_started + time.time() - time.monotonic()
        seconds = round(max(0.0, last - verdict), 3)
        stage.story.fact("seconds_to_clean_traffic", "seconds from the bad verdict to clean traffic", seconds)


async def broken_start(stage: Stage) -> None:
    """Release something that cannot even start: it is refused, and if nobody looks first, only the deployer meets it."""
    with stage.story.phase(
        "broken start", "a release whose data have moved: it exits at once", expect="rolled_back"
    ) as phase:
        moved, strategy = release_of(stage.catalogue.missing), Canary(ready_deadline=5)
        try:
            await stage.deployer.deploy(stage.target, moved, strategy)
        except ValidationError as error:
            stage.story.say(
                f"  ValidationError: {str(error).partition(': Error')[0]}; now without looking first"
            )
        try:
            await stage.deployer.deploy(stage.target, moved, strategy, validate=False)
        except DeploymentError as error:
            phase.outcome = error.result.outcome if error.result else "failed"
            stage.story.say(f"  DeploymentError: {error}")


async def blue_green(stage: Stage) -> None:
    """Bring another configuration up beside the old one, try it out, and switch."""
    with stage.story.phase("blue-green", "the same program with another configuration file") as phase:
        strategy = BlueGreen(verify=(HTTPCheck("/", "/samples/penguins"),), watch=2, analysis=(_ERRORS,))
        phase.outcome = (await _roll(stage, stage.catalogue.credited, strategy)).outcome


async def rolling(stage: Stage) -> None:
    """Replace one instance after the other."""
    with stage.story.phase("rolling", "smaller pages, one instance after the other") as phase:
        strategy = Rolling(max_surge=1, watch=1, analysis=(_ERRORS,))
        phase.outcome = (await _roll(stage, stage.catalogue.paged, strategy)).outcome


async def rollback(stage: Stage) -> None:
    """Somebody changes their mind: what was kept warm takes over at once."""
    with stage.story.phase("rollback", "by hand, to 0.65.5 as it was, which is still warm") as phase:
        result = await stage.deployer.rollback(stage.target, to=stage.catalogue.newer.version)
        phase.outcome = result.outcome
        stage.story.say(f"  {result}")


async def crash(stage: Stage) -> None:
    """Kill the deploying program in the middle of a canary; the next program finds and undoes what it left."""
    with stage.story.phase(
        "kill -9", "of the deploying program, in the middle of a canary", expect="rolled_back"
    ) as phase:
        again = [sys.executable, __file__, "--as-deployer", str(stage.folder), str(stage.target.endpoint)]
        async with await anyio.open_process(again) as program:
            try:
                stage.story.say(f"  another program (pid {program.pid}) begins a canary")
                await _until_shared(stage)
            finally:
                program.kill()
        stage.story.say("  it is dead; the canary goes on serving its share")
        await anyio.sleep(1)
        for result in await stage.deployer.recover():
            stage.story.say(f"  {result}")
            phase.outcome = result.outcome


async def _until_shared(stage: Stage) -> None:
    with anyio.fail_after(180):
        while (running := (await stage.deployer.status(stage.target)).rollout) is None:  # noqa: ASYNC110 -- nothing tells when another program begins
            await anyio.sleep(0.1)
        rollout = await stage.deployer.attach(running.id)
        async for event in rollout.events():
            tell(stage.story, event)
            if event.record.kind == "settled" and event.record.step.startswith("shift"):
                return


async def deploy_until_killed(folder: Path, endpoint: str) -> None:
    """Be the program that dies: begin a canary that would take an hour."""
    async with open_backend(folder) as backend:
        release = release_of(catalogue_in(cache_folder(folder.parent), folder).paged)
        await Deployer(backend).deploy(_target(endpoint), release, Canary(steps=(25, 100), bake=1_800))


async def whole_story(options: argparse.Namespace) -> int:
    """Tell it; return the exit status: 0 if no request was lost, and all ended as it should."""
    story = Story(machine=options.json)
    cache = cache_folder(options.workdir)
    async with run_folder(cache, "quickstart") as folder:
        catalogue = await prepare_catalogue(cache, folder, story.say)
        async with open_backend(folder) as backend:
            stage = Stage(story, Deployer(backend), _target(free_endpoint()), catalogue)
            total, confirmed = await _chapters(stage, options.rate)
        with closing(sqlite3.connect(catalogue.database)) as database:
            (stored,) = database.execute("SELECT count(*) FROM sightings").fetchone()
        story.fact("sightings_confirmed", "sightings that visitors reported and saw confirmed", confirmed)
        story.fact("sightings_stored", "sightings found in the database", stored)
        story.end(total)
        return 1 if total.lost or stored < confirmed or story.surprises else 0


async def _chapters(stage: Stage, rate: float) -> tuple[Counts, int]:
    """Tell one after the other; return the requests, and how many writes were confirmed."""
    url, tally = f"http://{stage.target.endpoint}", Tally()
    await first_deploy(stage)
    rate = await _affordable(url, rate)
    stage.story.say(f"open {url} in a browser, if you like; {rate:g} requests/s begin now")
    async with _visitors(url, rate, tally) as load:
        stage.story.count = lambda: _sum(load.snapshot(), tally)
        await canary(stage)
        await bad_release(stage, load)
        await broken_start(stage)
        await blue_green(stage)
        await rolling(stage)
        await rollback(stage)
        await crash(stage)
    return _sum(load.report(), tally), tally.accepted


async def _affordable(url: str, most: float) -> float:
    """Return how many requests a second this machine can serve and still have air for the rollouts."""
    times: list[float] = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for traffic in READS * 6:
            began = time.perf_counter()
            await client.get(traffic.path)
            times.append(time.perf_counter() - began)
    return max(5.0, min(most, round(_AIR / statistics.median(times))))


@asynccontextmanager
async def _visitors(url: str, rate: float, tally: Tally) -> AsyncGenerator[LoadProcess]:
    """Let visitors read and, one in ten, write, while the block runs. Nobody ever asks twice."""

    async def report(client: httpx.AsyncClient, number: int) -> httpx.Response:
        form = {"species": "Gentoo", "island": "Biscoe", "observer": f"visitor {number}"}
        return await client.post(REPORT, data=form)

    async with anyio.create_task_group() as tasks, load_process(url, mix=READS, rate=rate * 0.9) as load:
        stop = await tasks.start(partial(keep_writing, report, tally, url=url, every=10 / rate))
        try:
            yield load
        finally:
            stop.set()


async def _events(stage: Stage, result: RolloutResult) -> list[Event]:
    rollout = await stage.deployer.attach(result.rollout)
    return [event async for event in rollout.events()]


async def _roll(stage: Stage, app: AppRelease, strategy: Strategy) -> RolloutResult:
    return await roll(stage.story, stage.deployer, stage.target, release_of(app), strategy)


def _target(endpoint: str) -> Target:
    return Target("catalogue", environment="example", replicas=2, endpoint=endpoint, drain_ms=10_000)


def _sum(report: LoadReport, tally: Tally) -> Counts:
    writes = tally.counts
    return Counts(
        requests=report.requests + writes.requests,
        lost=report.lost + writes.lost,
        app_errors=report.app_errors + writes.app_errors,
    )


def main() -> int:
    """Read the command line and tell the story."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with a line of JSON, for programs")
    parser.add_argument(
        "--workdir", type=Path, help="a folder for downloads and state, instead of the user's cache"
    )
    parser.add_argument(
        "--rate", type=float, default=120.0, help="requests per second at the most (default 120)"
    )
    parser.add_argument("--as-deployer", nargs=2, metavar=("FOLDER", "ENDPOINT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_deployer:
        folder, endpoint = options.as_deployer
        anyio.run(deploy_until_killed, Path(folder), endpoint)
        return 0
    return anyio.run(whole_story, options)


if __name__ == "__main__":
    sys.exit(main())

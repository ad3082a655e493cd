"""Release to both sides of a hybrid cloud as one plan: together, or neither.

    uv run examples/hybrid.py [--json]

An institution is advised to keep its data on site and its portal in a cloud. Here two folders on this machine stand for
the two sides, each with an Envoy and instances of its own; one journal is shared, so that one lease and one point of no
return hold for both. First the data service, then the portal that needs it. When the portal's release is bad, the data
service goes back too, though nothing is wrong with it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import httpx

from apps.place import free_endpoint
from apps.story import Counts, Story
from fairdeploy import (
    BlueGreen,
    Deployer,
    HTTPCheck,
    HTTPProbe,
    InstitutionRequirements,
    Plan,
    Probes,
    Release,
    Target,
    recommend,
    sequence,
)
from fairdeploy.backends.local import LocalBackend, SupervisorKeeper
from fairdeploy.journal import SQLiteJournal
from fairdeploy.testing.load import LoadProcess, LoadReport, load_process

_FAREWELL = 60.0
"""Seconds that stopping everything may take."""

_REQUESTS_A_SECOND = 20.0
"""On each side."""


def advised() -> str:
    """Return what an institution with machines, sovereign data and peaks is advised to do, and what fairdeploy does for it."""
    advice = recommend(
        InstitutionRequirements(
            budget="high",
            compliance=["GDPR"],
            expertise="advanced",
            expected_growth="high",
            data_sovereignty=True,
            availability_percent=99.95,
            rpo_hours=0.25,
            traffic="bursty",
            existing_hardware=True,
            staff_fte=3,
        )
    )
    return f"{advice.summary()}\n  {advice.actions()[0]}"


def application(name: str, version: str, *options: str) -> Release:
    """Return a release of a small web application; each answer names its revision."""
    command = [
        sys.executable,
        "-m",
        "fairdeploy.testing.apps.polite",
        "--uds",
        "{uds}",
        "--revision",
        "{revision}",
    ]
    probes = Probes(readiness=HTTPProbe("/health", interval_ms=100))
    return Release(f"{name}-{version}", command=[*command, *options], probes=probes)


@asynccontextmanager
async def both_sides() -> AsyncGenerator[dict[str, LocalBackend]]:
    """Open a backend for each side with one journal between them; nothing is left of them at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hybrid-"))
    site, cloud = (SupervisorKeeper(folder / f"{side}.keeper") for side in ("site", "cloud"))
    try:
        async with (
            SQLiteJournal.open(folder / "journal.sqlite") as journal,
            LocalBackend.open(folder / "site", keeper=site, journal=journal) as on_site,
            LocalBackend.open(folder / "cloud", keeper=cloud, journal=journal) as in_cloud,
        ):
            yield {"site": on_site, "cloud": in_cloud}
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_FAREWELL):
            await site.shutdown()
            await cloud.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


async def one_plan(deployer: Deployer, places: Mapping[str, Target], version: str, *portal: str) -> Plan:
    """Plan a version for both sides, and make one plan of the two."""
    strategy = BlueGreen(verify=(HTTPCheck("/"),), watch=0, keep_warm=0)
    data, front = application("data", version), application("portal", version, *portal)
    return sequence(
        await deployer.plan(places["site"], data, strategy, backend="site"),
        await deployer.plan(places["cloud"], front, strategy, backend="cloud"),
    )


async def carried_out(deployer: Deployer, plan: Plan) -> str:
    """Run a plan to its end."""
    async with deployer.run(plan) as rollout:
        return (await rollout.result()).outcome


async def serving(places: Mapping[str, Target]) -> dict[str, str]:
    """Ask both sides, as a visitor would, which version answers."""
    async with httpx.AsyncClient(timeout=10) as client:
        answers = {side: await client.get(f"http://{target.endpoint}/") for side, target in places.items()}
    return {side: answer.headers["x-revision"].rpartition("-")[0] for side, answer in answers.items()}


async def whole_story(options: argparse.Namespace) -> int:
    """Tell it; return the exit status: 0 if no request was lost, and both sides always were of one version."""
    story = Story(machine=options.json)
    story.say(advised())
    places = {
        "site": Target("data", environment="example", endpoint=free_endpoint()),
        "cloud": Target("portal", environment="example", endpoint=free_endpoint()),
    }
    alike = []
    async with both_sides() as sides:
        deployer = Deployer(sides)
        with story.phase("first deploy", "version 1 on both sides, as one plan") as phase:
            phase.outcome = await carried_out(deployer, await one_plan(deployer, places, "1"))
            alike.append(await serving(places) == _sides("1"))
        async with visitors(places["site"]) as site, visitors(places["cloud"]) as cloud:
            story.count = lambda: _sum(site.snapshot(), cloud.snapshot())
            with story.phase("together", "version 2 on both sides, as one plan") as phase:
                plan = await one_plan(deployer, places, "2")
                story.show(plan)
                phase.outcome = await carried_out(deployer, plan)
                alike.append(await serving(places) == _sides("2"))
            about = "version 3: good on site, and a portal whose pages fail"
            with story.phase("neither", about, expect="rolled_back") as phase:
                plan = await one_plan(deployer, places, "3", "--fail-every", "1")
                phase.outcome = await carried_out(deployer, plan)
                alike.append(await serving(places) == _sides("2"))
        total = _sum(site.report(), cloud.report())
    story.fact("phases_alike", "phases after which both sides serve what they should", sum(alike))
    story.end(total)
    return 1 if total.lost or not all(alike) or story.surprises else 0


def visitors(target: Target) -> AbstractAsyncContextManager[LoadProcess]:
    """Let a few visitors ask a side, steadily, while the block runs."""
    return load_process(f"http://{target.endpoint}", rate=_REQUESTS_A_SECOND)


def _sides(version: str) -> dict[str, str]:
    return {"site": f"data-{version}", "cloud": f"portal-{version}"}


def _sum(*reports: LoadReport) -> Counts:
    return Counts(
        requests=sum(each.requests for each in reports),
        lost=sum(each.lost for each in reports),
        app_errors=sum(each.app_errors for each in reports),
    )


def main() -> int:
    """Read the command line and tell the story."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with a line of JSON, for programs")
    return anyio.run(whole_story, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

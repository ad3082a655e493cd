"""Upgrade a calendar server while people write to it, and find every event afterwards.

    uv run examples/calendars.py [--json] [--workdir FOLDER]

Radicale, a WSGI application from PyPI, goes from 3.8.3 to 3.9.0 and back, one instance after the other. It cannot hand
over connections: what reaches it after SIGTERM is lost. So each instance is emptied by the router before it is told.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx

from apps.calendars import ACCOUNT, event, prepare_calendars
from apps.environments import cache_folder
from apps.place import free_endpoint, open_backend, release_of, roll, run_folder
from apps.story import Story
from apps.visitors import Tally, keep_writing
from fairdeploy import Deployer, ErrorRate, HTTPCheck, Rolling, Target

if TYPE_CHECKING:
    from apps.calendars import Calendars

_WRITES_A_SECOND = 20.0
"""One Radicale takes 60: it syncs each event to disk."""

_CALENDAR = "/ada/tides/"


async def write(client: httpx.AsyncClient, number: int) -> httpx.Response:
    """Put an event of its own name into the calendar."""
    body = event(f"tide-{number}", f"High tide {number}")
    return await client.put(
        f"{_CALENDAR}tide-{number}.ics", content=body, headers={"Content-Type": "text/calendar"}
    )


async def upgrades(story: Story, deployer: Deployer, target: Target, calendars: Calendars) -> None:
    """Go to the newer release with one instance more meanwhile, and back with one less."""
    analysis = (ErrorRate(max_percent=1, min_requests=30),)
    verify = (HTTPCheck(calendars.newer.health),)
    with story.phase("surge", "Radicale 3.9.0, with a third instance meanwhile") as phase:
        strategy = Rolling(max_surge=1, verify=verify, watch=2, analysis=analysis)
        phase.outcome = (await roll(story, deployer, target, release_of(calendars.newer), strategy)).outcome
    with story.phase("squeeze", "back to 3.8.3, with one instance less meanwhile") as phase:
        strategy = Rolling(max_surge=0, max_unavailable=1, watch=2, analysis=analysis)
        phase.outcome = (await roll(story, deployer, target, release_of(calendars.current), strategy)).outcome


async def whole_story(options: argparse.Namespace) -> int:
    """Tell it; return the exit status: 0 if no write was lost."""
    tally = Tally()
    story = Story(machine=options.json, count=lambda: tally.counts)
    cache = cache_folder(options.workdir)
    async with run_folder(cache, "calendars") as folder:
        calendars = await prepare_calendars(cache, folder, story.say)
        target = Target("calendars", environment="example", replicas=2, endpoint=free_endpoint())
        url = f"http://{target.endpoint}"
        async with open_backend(folder) as backend:
            deployer = Deployer(backend)
            with story.phase("first deploy", "Radicale 3.8.3, two instances, one storage") as phase:
                first = await roll(story, deployer, target, release_of(calendars.current), Rolling())
                phase.outcome = first.outcome
            async with httpx.AsyncClient(base_url=url, auth=ACCOUNT) as client:
                (await client.request("MKCALENDAR", _CALENDAR)).raise_for_status()
            async with anyio.create_task_group() as tasks:
                writing = partial(
                    keep_writing, write, tally, url=url, every=1 / _WRITES_A_SECOND, auth=ACCOUNT
                )
                stop = await tasks.start(writing)
                try:
                    await upgrades(story, deployer, target, calendars)
                finally:
                    stop.set()
            async with httpx.AsyncClient(base_url=url, auth=ACCOUNT) as client:
                listed = await client.request("PROPFIND", _CALENDAR, headers={"Depth": "1"})
        found = listed.text.count(".ics</href>")
        story.fact("events_confirmed", "events that people wrote and saw confirmed", tally.accepted)
        story.fact("events_found", "events found in the calendar", found)
        story.end(tally.counts)
        return 1 if tally.lost or found < tally.accepted or story.surprises else 0


def main() -> int:
    """Read the command line and tell the story."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with a line of JSON, for programs")
    parser.add_argument(
        "--workdir", type=Path, help="a folder for downloads and state, instead of the user's cache"
    )
    return anyio.run(whole_story, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

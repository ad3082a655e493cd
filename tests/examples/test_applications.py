"""What the comments in `examples/apps` claim of applications that others wrote, seen again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import asynccontextmanager, closing
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from apps.calendars import ACCOUNT, event, prepare_calendars
from apps.catalogue import REPORT, prepare_catalogue
from apps.environments import cache_folder
from apps.notebooks import open_kernel, prepare_notebooks
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from anyio.abc import Process

    from apps.release import AppRelease

# They fetch some 250 MB from PyPI when the cache is cold.
pytestmark = [pytest.mark.anyio, pytest.mark.nightly, pytest.mark.load]


@asynccontextmanager
async def serving(
    release: AppRelease, folder: Path, **env: str
) -> AsyncGenerator[tuple[httpx.AsyncClient, Process]]:
    """Start a release on a free port and wait until it is healthy."""
    port = free_port()
    config = folder / "config" / release.version
    config.mkdir(parents=True)
    for name, text in release.config.items():
        (config / name).write_text(text)
    command = [word.replace("{port}", str(port)).replace("{config}", str(config)) for word in release.command]
    async with (
        await anyio.open_process(
            command, stdout=DEVNULL, stderr=DEVNULL, env={**os.environ, **release.env, **env}
        ) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        try:
            await healthy(client, release.health)
            yield client, process
        finally:
            if process.returncode is None:
                process.terminate()


async def healthy(client: httpx.AsyncClient, path: str) -> None:
    """Ask until the answer is 200."""
    with anyio.fail_after(60):
        while True:
            try:
                if (await client.get(path)).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                await anyio.sleep(0.05)


async def test_the_unreliable_release_fails_one_page_in_twenty_and_no_health_check(tmp_path: Path) -> None:
    """Its health endpoint is green all the time, and every failure says whose it is."""
    catalogue = await prepare_catalogue(cache_folder(), tmp_path, print)
    async with serving(catalogue.unreliable, tmp_path) as (client, _):
        pages = [await client.get("/samples/penguins/7.json") for _ in range(60)]
        health = [await client.get(catalogue.unreliable.health) for _ in range(60)]
    assert [page.status_code for page in pages].count(500) == 3
    assert {page.headers["x-revision"] for page in pages} == {catalogue.unreliable.version}
    assert {answer.status_code for answer in health} == {200}


async def test_both_catalogues_serve_and_write_the_published_data(tmp_path: Path) -> None:
    """All 344 birds are there, and a sighting that is acknowledged is stored."""
    catalogue = await prepare_catalogue(cache_folder(), tmp_path, print)
    form = {"species": "Gentoo", "island": "Biscoe", "observer": "Ada"}
    for release in (catalogue.current, catalogue.newer, catalogue.credited, catalogue.paged):
        async with serving(release, tmp_path) as (client, _):
            rows = (await client.get("/samples/by_island.json?_shape=array")).json()
            answer = await client.post(REPORT, data=form)
        assert sum(row["penguins"] for row in rows) == 344
        assert answer.json()["ok"]
    with closing(sqlite3.connect(catalogue.database)) as database:
        assert database.execute("SELECT count(*) FROM sightings").fetchone() == (4,)


async def test_a_release_without_its_data_exits_and_says_why(tmp_path: Path) -> None:
    """The release that crashes at its start names the missing file in its last words."""
    missing = (await prepare_catalogue(cache_folder(), tmp_path, print)).missing
    command = [word.replace("{port}", "0").replace("{config}", str(tmp_path)) for word in missing.command]
    (tmp_path / "metadata.json").write_text(missing.config["metadata.json"])
    done = await anyio.run_process(command, check=False, stdout=PIPE, stderr=PIPE)
    assert done.returncode == 1
    assert b"moved.db' does not exist" in done.stderr


async def test_a_calendar_written_by_one_release_is_read_by_the_other(tmp_path: Path) -> None:
    """Old and new share their storage while both run."""
    calendars = await prepare_calendars(cache_folder(), tmp_path, print)
    async with (
        serving(calendars.current, tmp_path) as (old, _),
        serving(calendars.newer, tmp_path) as (new, _),
    ):
        old.auth = new.auth = ACCOUNT
        made = await old.request("MKCALENDAR", "/ada/tides/")
        put = await old.put(
            "/ada/tides/1.ics", content=event("1", "High tide"), headers={"Content-Type": "text/calendar"}
        )
        read = await new.get("/ada/tides/1.ics")
    assert (made.status_code, put.status_code, read.status_code) == (201, 201, 200)
    assert put.headers["x-revision"] == "3.8.3"
    assert read.headers["x-revision"] == "3.9.0"
    assert "High tide" in read.text


async def test_jupyter_drops_its_visitors_when_it_is_stopped(tmp_path: Path) -> None:
    """A kernel keeps its variables as long as the server runs, and not a moment longer."""
    notebooks = await prepare_notebooks(cache_folder(), tmp_path, print)
    async with (
        serving(notebooks.current, tmp_path, JUPYTER_TOKEN="made-up") as (client, process),
        open_kernel(client, "made-up") as kernel,
    ):
        await kernel.run("tide = 41")
        assert await kernel.run("tide + 1") == "42"
        process.terminate()
        with anyio.fail_after(20):
            await process.wait()
        with pytest.raises(ConnectionClosed):
            await kernel.run("tide")

"""Datasette as a catalogue of samples: three releases of it, a breakage, and what its visitors ask for.

What was seen of Datasette 0.64.8 and 0.65.5 (uvicorn 0.54, one process, two shared cores), because it decides how the
example is built:

- It listens on `--port` and on `--uds` alike. One process answers 45 requests/s of the heaviest page and 380 of the
  lightest, takes 55 to 65 MB, and is ready 0.6 s after its start (1.4 to 1.8 s where its bytecode is not compiled
  beforehand, which is why `prepare_environment` does that).
- It drains politely. At SIGTERM it refuses new connections, closes idle ones, finishes what is in flight, and exits
  after 0.2 s; uvicorn raises the signal again at the end, so the exit status of a clean stop is -15.
- `suggest_facets` costs 7 of the 13 ms that a table page needs, which is why it is off here.
- A write without cookies needs no CSRF token; sent by several processes at once, WAL and SQLite's own five seconds of
  patience are enough.
- 0.64.8 imports `pkg_resources`, which setuptools 81 dropped: its lock names an older one.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.environments import Say, locked, prepare_environment
from apps.penguins import build_database
from apps.release import AppRelease
from fairdeploy.testing.load import Get

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HEALTH", "READS", "REPORT", "Catalogue", "catalogue_in", "prepare_catalogue"]

HEALTH = "/-/versions.json"
"""Answers 200 as soon as Datasette serves; the broken release answers 200 as well."""

_PLUGINS = Path(__file__).parent / "plugins"

_TITLE = {"title": "Palmer penguins"}
_CREDITS = {
    "license": "CC0-1.0",
    "source": "palmerpenguins",
    "source_url": "https://pypi.org/project/palmerpenguins/",
}

_QUERIES = {
    "by_island": {
        "sql": "select island, species, count(*) as penguins, round(avg(body_mass_g)) as grams "
        "from penguins group by island, species",
    },
    "report": {
        "sql": "insert into sightings (species, island, observer) values (:species, :island, :observer)",
        "write": True,
    },
}


READS = (
    Get("/samples/by_island.json?_shape=array", kind="query", weight=45),
    Get("/samples/penguins/7.json", kind="row", weight=30),
    Get("/samples/penguins.json?_size=5", kind="table", weight=12),
    Get("/samples/penguins?species=Gentoo&_size=5", kind="page", weight=8),
    Get("/", kind="home, new connection", weight=5, fresh=True),
)
"""A mean of about 4 ms of processor time each: 120 requests/s leave a two-core machine air for the rollout."""

REPORT = "/samples/report?_json=1"
"""A write: POST it a form with `species`, `island` and `observer`, and `sightings` has a row more."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the example needs, on disk.

    Args:
        database: The SQLite file that all releases serve and write.
        current: Datasette 0.64.8.
        newer: Datasette 0.65.5.
        unreliable: 0.65.5 with a plugin that fails 5 % of the pages and none of the health checks.
        missing: 0.65.5 told to serve a file that does not exist: it exits at once and says why.
        credited: 0.65.5 with another configuration file, which names licence and source: same command, new revision.
        paged: The same with smaller pages, by a setting on the command line.
    """

    database: Path
    _: KW_ONLY
    current: AppRelease
    newer: AppRelease
    unreliable: AppRelease
    missing: AppRelease
    credited: AppRelease
    paged: AppRelease


async def prepare_catalogue(cache: Path, folder: Path, say: Say) -> Catalogue:
    """Fetch both Datasettes and the data, and write what they are started with.

    Args:
        cache: Where downloads are kept between runs, from `cache_folder`.
        folder: The folder of this run; its `samples.db` starts without sightings.
        say: Is told what is downloaded; silent when the cache is warm (under 0.1 s).

    Returns:
        The releases and their database.

    Raises:
        PreparationError: If something cannot be fetched from PyPI.
    """
    _private(folder)
    async with locked(cache):
        await prepare_environment(cache, "datasette-0.64.8", say)
        await prepare_environment(cache, "datasette-0.65.5", say)
        await build_database(cache, folder, say)
    sound, broken = _plugins(folder)
    _copy(sound, "revision.py")
    _copy(broken, "revision.py", "unreliable.py")
    return catalogue_in(cache, folder)


def catalogue_in(cache: Path, folder: Path) -> Catalogue:
    """Name what `prepare_catalogue` has prepared; touches nothing, so that another process can say the same.

    Args:
        cache: As given there.
        folder: As given there.

    Returns:
        The releases and their database.
    """
    old, new = (cache / "environments" / f"datasette-{version}" for version in ("0.64.8", "0.65.5"))
    sound, broken = _plugins(folder)
    database = str(folder / "samples.db")
    return Catalogue(
        folder / "samples.db",
        current=_release("0.64.8", old, database, sound),
        newer=_release("0.65.5", new, database, sound),
        unreliable=_release("0.65.5-pool", new, database, broken),
        missing=_release("0.65.5-moved", new, str(folder / "moved.db"), sound),
        credited=_release("0.65.5-credits", new, database, sound, about=_TITLE | _CREDITS),
        paged=_release(
            "0.65.5-pages",
            new,
            database,
            sound,
            "--setting",
            "default_page_size",
            "20",
            about=_TITLE | _CREDITS,
        ),
    )


def _plugins(folder: Path) -> tuple[Path, Path]:
    return folder / "plugins" / "sound", folder / "plugins" / "broken"


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _copy(folder: Path, *plugins: str) -> None:
    # Datasette takes one folder and loads all of it.
    _private(folder)
    for plugin in plugins:
        shutil.copyfile(_PLUGINS / plugin, folder / plugin)


def _release(
    version: str,
    environment: Path,
    database: str,
    plugins: Path,
    *options: str,
    about: Mapping[str, str] = _TITLE,
) -> AppRelease:
    datasette = str(environment / "bin" / "datasette")
    return AppRelease(
        version,
        command=(
            *(datasette, "serve", database),
            *("--port", "{port}"),
            *("--metadata", "{config}/metadata.json"),
            *("--plugins-dir", str(plugins)),
            *("--setting", "suggest_facets", "off"),
            *options,
        ),
        health=HEALTH,
        env={"REVISION": version},
        config={"metadata.json": json.dumps({**about, "databases": {"samples": {"queries": _QUERIES}}})},
    )

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

from apps.environments import Say, locked, prepare_environment
from apps.penguins import build_database
from apps.release import AppRelease

__all__ = ["HEALTH", "TRAFFIC", "Catalogue", "Visit", "prepare_catalogue"]

HEALTH = "/-/versions.json"
"""Answers 200 as soon as Datasette serves; the broken release answers 200 as well."""

_PLUGINS = Path(__file__).parent / "plugins"

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


@dataclass(frozen=True, slots=True)
class Visit:
    """One kind of request that visitors of the catalogue make.

    Args:
        path: Path and query.
        share: How many of 100 requests are of this kind.
        method: The HTTP method.
        form: The urlencoded body of a POST.
    """

    path: str
    _: KW_ONLY
    share: int
    method: str = "GET"
    form: str | None = None


TRAFFIC = (
    Visit("/samples/by_island.json?_shape=array", share=40),
    Visit("/samples/penguins/7.json", share=25),
    Visit("/samples/penguins.json?_size=5", share=10),
    Visit("/samples/penguins?species=Gentoo&_size=5", share=10),
    Visit(
        "/samples/report?_json=1",
        share=15,
        method="POST",
        form="species=Gentoo&island=Biscoe&observer=quickstart",
    ),
)
"""A mean of about 4 to 5 ms of processor time each: 150 requests/s leave a two-core machine air for the rollout."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the example needs, on disk.

    Args:
        database: The SQLite file that all releases serve and write.
        current: Datasette 0.64.8.
        newer: Datasette 0.65.5.
        unreliable: 0.65.5 with a plugin that fails 5 % of the pages and none of the health checks.
        missing: 0.65.5 told to serve a file that does not exist: it exits at once and says why.
    """

    database: Path
    _: KW_ONLY
    current: AppRelease
    newer: AppRelease
    unreliable: AppRelease
    missing: AppRelease


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
        old = await prepare_environment(cache, "datasette-0.64.8", say)
        new = await prepare_environment(cache, "datasette-0.65.5", say)
        database = await build_database(cache, folder, say)
    sound, broken = (folder / "plugins" / name for name in ("sound", "broken"))
    _copy(sound, "revision.py")
    _copy(broken, "revision.py", "unreliable.py")
    (folder / "metadata.json").write_text(
        json.dumps({"title": "Palmer penguins", "databases": {"samples": {"queries": _QUERIES}}})
    )
    return Catalogue(
        database,
        current=_release("0.64.8", old, database, sound),
        newer=_release("0.65.5", new, database, sound),
        unreliable=_release("0.65.5-pool", new, database, broken),
        missing=_release("0.65.5-moved", new, folder / "moved.db", sound),
    )


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _copy(folder: Path, *plugins: str) -> None:
    # Datasette takes one folder and loads all of it.
    _private(folder)
    for plugin in plugins:
        shutil.copyfile(_PLUGINS / plugin, folder / plugin)


def _release(version: str, environment: Path, database: Path, plugins: Path) -> AppRelease:
    command = (
        str(environment / "bin" / "datasette"),
        "serve",
        str(database),
        "--port",
        "{port}",
        "--metadata",
        str(plugins.parent.parent / "metadata.json"),
        "--plugins-dir",
        str(plugins),
        "--setting",
        "suggest_facets",
        "off",
    )
    return AppRelease(version, command=command, health=HEALTH, env={"REVISION": version})

"""The crash matrix: ``python -m tests.crash.matrix BACKEND|table``; `nox -s crashpoints` does local and simulated.

``local`` tries the crash points of the local backend, ``database`` those of its stories with a real PostgreSQL, ``compose``
those of a real Docker Engine, ``kubernetes`` those of a real API server, ``ecs`` and ``ecs-native`` those of emulators of
ECS, ``simulated`` those of the simulated one; all append what they find to a file, a JSON line each. ``table`` writes what such files hold into ``docs/reliability.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from fairdeploy.testing.crash import DOUBLE, NATIVE, SINGLE, STORIES, Fault, Finding, survey
from fairdeploy.testing.crash.local import local_house
from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

    from fairdeploy.testing.crash import House

FAULTS: tuple[Fault, ...] = (*SINGLE, *DOUBLE)
NAMES = {"+".join(fault): fault for fault in FAULTS}
PAGE = source.ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- the matrix: written by tests/crash/matrix.py -->", "<!-- end of the matrix -->"


def commit() -> str:
    """Return the commit that is tried, marked if there are changes beside it."""
    argv = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(argv, cwd=source.ROOT, check=True, capture_output=True, text=True).stdout.strip()


def about(backend: str, **more: object) -> str:
    """Return the line that tells how findings came about."""
    known = {"backend": backend, "commit": commit(), "day": f"{datetime.now(UTC):%Y-%m-%d}", **more}
    return json.dumps({"about": known}) + "\n"


async def local(given: argparse.Namespace) -> int:
    """Try points of the local backend."""
    return await surveyed("local", partial(local_house, replicas=given.replicas, rate=given.rate), given)


async def database(given: argparse.Namespace) -> int:
    """Try points of the stories with a database: one replica, a real PostgreSQL."""
    from tests.database.crash_house import STORIES as OF_DATABASES, house_of  # noqa: PLC0415 -- needs what the others do not
    from tests.postgres import binaries, started  # noqa: PLC0415 -- as above

    with tempfile.TemporaryDirectory() as folder:
        await anyio.Path(folder).chmod(0o755)
        with started(binaries(Path(folder))) as server:
            return await surveyed("database", house_of(server), given, known=OF_DATABASES)


async def compose(given: argparse.Namespace) -> int:
    """Try points of the Compose backend: one replica, 30 requests a second."""
    from tests.compose.house import RATE, house_of  # noqa: PLC0415 -- needs what the other commands do not
    from tests.images import APPLICATION, python_image  # noqa: PLC0415 -- as above

    given.rate = RATE
    with tempfile.TemporaryDirectory() as folder:
        image = await anyio.to_thread.run_sync(partial(python_image, *APPLICATION, folder=Path(folder)))
    return await surveyed("compose", house_of(image), given)


async def kubernetes(given: argparse.Namespace) -> int:
    """Try points of a namespace of a real API server, behind which the rest is a stand-in."""
    from tests.cluster import running  # noqa: PLC0415 -- needs what the other commands do not
    from tests.kubernetes.house import RATE, house_of  # noqa: PLC0415 -- as above

    given.rate = RATE
    with running(node=False) as reached:
        return await surveyed("kubernetes", house_of(reached), given)


async def ecs(given: argparse.Namespace) -> int:
    """Try points of a service on emulators, of which the load balancer moves the traffic, or which ECS rolls out."""
    from tests.aws.emulators import CREDENTIALS, ministack, moto  # noqa: PLC0415 -- needs what others do not
    from tests.aws.house import house_of, native_house_of  # noqa: PLC0415 -- as above

    os.environ.update(CREDENTIALS)
    of = native_house_of if given.what == "ecs-native" else house_of
    with (
        tempfile.TemporaryDirectory() as folder,
        ministack(Path(folder), docker=False) as ecs_url,
        moto(Path(folder)) as moto_url,
    ):
        known = NATIVE if given.what == "ecs-native" else STORIES
        return await surveyed(given.what, of(ecs_url, moto_url), given, known=known)


async def surveyed(
    backend: str, house: House, given: argparse.Namespace, *, known: Collection[str] = tuple(STORIES)
) -> int:
    """Try points, tell of each, and keep what was found."""
    stories = given.stories or list(known)
    if unknown := sorted(set(stories) - set(known)):
        sys.exit(f"{unknown} are no stories of {backend}; give some of {sorted(known)}")
    with given.findings.open("a") as file:

        def tell(finding: Finding) -> None:
            file.write(json.dumps({"backend": backend, "finding": asdict(finding)}) + "\n")
            file.flush()
            if finding.wrong:
                print(finding, flush=True)  # noqa: T201 -- a program

        found = await survey(
            house,
            seed=given.seed,
            stories=stories,
            faults=[NAMES[name] for name in given.faults],
            seconds=given.seconds,
            tell=tell,
        )
        rest: dict[str, object] = {"seed": given.seed}
        if found.requests:
            rest |= {"rate": given.rate, "requests": found.requests, "lost": found.lost}
        file.write(about(backend, **rest))
    print(found)  # noqa: T201 -- a program
    return 1 if found.wrong or found.lost else 0


async def simulated(given: argparse.Namespace) -> int:
    """Try every single death and every standstill of each story in virtual time."""
    return await anyio.to_thread.run_sync(_simulated, given.findings)


def _simulated(findings: Path) -> int:
    from tests.engine import test_crashes as crashes  # noqa: PLC0415 -- needs what the other commands do not
    from tests.engine.simulated import virtually  # noqa: PLC0415 -- as above

    wrong = 0
    with findings.open("a") as file:
        for name, story in crashes.STORIES.items():
            trials: dict[Fault, Callable[[crashes.Story, int], Awaitable[tuple[str, bool]]]]
            trials = {SINGLE[0]: crashes.complaint, SINGLE[1]: crashes.complaint_of_a_sleeper}
            for fault, trial in trials.items():
                place, reached = 0, True
                while reached:
                    place += 1
                    said, reached = virtually(partial(trial, story, place))
                    if reached:
                        found = Finding(
                            story=name, fault=fault, places=(str(place),), wrong=(said,) if said else ()
                        )
                        file.write(json.dumps({"backend": "simulated", "finding": asdict(found)}) + "\n")
                        wrong += bool(said)
        file.write(about("simulated"))
    return 1 if wrong else 0


def rows(lines: Iterator[dict[str, dict[str, object]]]) -> list[str]:
    """Return the lines of the matrix, and what is known of the runs."""
    points: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    wrong: Counter[tuple[str, str, str]] = Counter()
    runs: dict[tuple[str, ...], Counter[str]] = {}
    for line in lines:
        if (told := line.get("about")) is not None:
            said = tuple(str(told.get(key, "")) for key in ("backend", "day", "commit", "seed"))
            counted = runs.setdefault(said, Counter())
            counted.update({key: told[key] for key in ("requests", "lost") if key in told})
            continue
        backend, finding = str(line.get("backend", "local")), line["finding"]
        fault, places = list(finding["fault"]), list(finding["places"])  # type: ignore[call-overload]  # lists of texts
        if len(fault) != len(places):
            continue
        key = (backend, str(finding["story"]))
        points[key]["+".join(fault)] += 1
        wrong[*key, "+".join(fault)] += bool(finding["wrong"])
    faults = [name for name in NAMES if any(counted[name] for counted in points.values())]
    table = [f"| backend | what was under way | {' | '.join(faults)} |", "|---|---|" + "---|" * len(faults)]
    for (backend, story), counted in sorted(points.items()):
        cells = [f"{counted[f]} / {wrong[backend, story, f]}" if counted[f] else "–" for f in faults]
        table.append(f"| {backend} | {story} | {' | '.join(cells)} |")
    table.append("")
    for (backend, day, made_at, chance), sent in runs.items():
        load = f", {sent['lost']} of {sent['requests']} requests lost" if sent else ""
        seed = f", seed {chance}" if chance else ""
        table.append(f"- {backend}: {day}, commit `{made_at}`{seed}{load}")
    return table


async def table(given: argparse.Namespace) -> int:
    """Write the matrix into the page."""
    paths = [anyio.Path(path) for path in (given.files or [given.findings])]
    lines = [json.loads(line) for path in paths for line in (await path.read_text()).splitlines()]
    page = anyio.Path(PAGE)
    text = await page.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    await page.write_text("\n".join([before, "", *rows(iter(lines)), "", after]), encoding="utf-8")
    return 0


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=__doc__)
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument(
        "--findings", type=Path, default=Path("crash-findings.jsonl"), help="file of findings"
    )
    parser.add_argument("--files", type=Path, nargs="+", help="files of findings, for the table")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the order")
    parser.add_argument("--seconds", type=float, help="begin no point after so long (default: all points)")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second (40)")
    parser.add_argument("--replicas", type=int, default=2, help="of each revision (2)")
    parser.add_argument("--stories", nargs="+", help="of the backend (default: all there are)")
    parser.add_argument("--faults", nargs="+", choices=NAMES, default=["kill", "stop", "kill+kill"])
    return parser.parse_args(words)


COMMANDS: dict[str, Callable[[argparse.Namespace], Awaitable[int]]] = {
    "local": local,
    "database": database,
    "compose": compose,
    "kubernetes": kubernetes,
    "ecs": ecs,
    "ecs-native": ecs,
    "simulated": simulated,
    "table": table,
}


if __name__ == "__main__":
    given = arguments(None)
    sys.exit(anyio.run(COMMANDS[given.what], given))

"""The crash matrix: ``python -m tests.crash.matrix run|table``; `nox -s crashpoints` does both.

``run`` tries every crash point of the local backend and appends each finding to a file, a JSON line each; ``table`` writes
what such files hold into ``docs/reliability.md``.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from fairdeploy.testing.crash import DOUBLE, SINGLE, STORIES, Fault, Finding, survey
from fairdeploy.testing.crash.local import local_house
from tests.contracts import source

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTS: tuple[Fault, ...] = (*SINGLE, *DOUBLE)
NAMES = {"+".join(fault): fault for fault in FAULTS}


def commit() -> str:
    """Return the commit that is tried, marked if there are changes beside it."""
    argv = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(argv, cwd=source.ROOT, check=True, capture_output=True, text=True).stdout.strip()


async def run(given: argparse.Namespace) -> int:
    """Try points, tell of each, and keep what was found."""
    with given.findings.open("a") as file:

        def tell(finding: Finding) -> None:
            file.write(json.dumps({"finding": asdict(finding)}) + "\n")
            file.flush()
            if finding.wrong:
                print(finding, flush=True)  # noqa: T201 -- a program

        found = await survey(
            partial(local_house, replicas=given.replicas, rate=given.rate),
            seed=given.seed,
            stories=given.stories,
            faults=[NAMES[name] for name in given.faults],
            seconds=given.seconds,
            tell=tell,
        )
        about = {
            "backend": "local",
            "commit": commit(),
            "day": f"{datetime.now(UTC):%Y-%m-%d}",
            "seed": given.seed,
            "rate": given.rate,
            "boundaries": found.boundaries,
            "requests": found.requests,
            "lost": found.lost,
        }
        file.write(json.dumps({"about": about}) + "\n")
    print(found)  # noqa: T201 -- a program
    return 1 if found.wrong or found.lost else 0


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=__doc__)
    parser.add_argument(
        "--findings", type=Path, default=Path("crash-findings.jsonl"), help="file of findings"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the order")
    parser.add_argument("--seconds", type=float, help="begin no point after so long (default: all points)")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second (40)")
    parser.add_argument("--replicas", type=int, default=2, help="of each revision (2)")
    parser.add_argument("--stories", nargs="+", choices=STORIES, default=list(STORIES))
    parser.add_argument("--faults", nargs="+", choices=NAMES, default=["kill", "stop", "kill+kill"])
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(anyio.run(run, arguments(None)))

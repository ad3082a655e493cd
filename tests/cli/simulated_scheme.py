"""``simulated://`` as a scheme that an installed package offers: a world in memory, that outlives each command.

The command line finds it as it finds any other backend, by an entry point; see `install`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from fairdeploy.journal import SQLiteJournal
from fairdeploy.model import CheckResult, Verdict
from fairdeploy.protocols import Subject
from fairdeploy.testing.simulation import Behaviour, SimulatedBackend, World

__all__ = ["Simulated", "checks", "install"]

_WORLDS: dict[str, World] = {}


class Simulated:
    """What the entry point stands for."""

    @staticmethod
    @asynccontextmanager
    async def open(uri: str, *, guard: bool | None) -> AsyncGenerator[SimulatedBackend]:  # noqa: ARG004 -- nobody guards it
        """Open the world of a folder, with its journal."""
        folder = Path(urlsplit(uri).path)
        world = _WORLDS.setdefault(str(folder), World(default=Behaviour(start_seconds=0.05)))
        async with SQLiteJournal.open(folder / "journal.sqlite") as journal:
            yield SimulatedBackend(world, journal=journal)


async def page(subject: Subject) -> CheckResult:
    """Pass, but for a version that is called bad."""
    bad = str(subject.revision).startswith("bad")
    return CheckResult(Verdict.FAIL if bad else Verdict.PASS, "/ answered 500" if bad else "/ answered 200")


checks = {"page": page}


def install(folder: Path) -> None:
    """Write what pip writes of an installed package that offers the scheme; the folder goes on ``sys.path``."""
    info = folder / "simulated_scheme-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: simulated-scheme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[fairdeploy.backends]\nsimulated = tests.cli.simulated_scheme:Simulated\n"
    )

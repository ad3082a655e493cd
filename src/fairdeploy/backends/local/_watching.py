"""Whether the folder needs somebody who watches for instances that hang."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fairdeploy.backends.local import _scan
from fairdeploy.backends.local._layout import Layout
from fairdeploy.host import _lock
from fairdeploy.protocols.keeper import Program

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.protocols.keeper import Keeper

__all__ = ["layouts", "start", "stop_unless_needed"]

_NAME = "watch"
_SECONDS = 60.0


def layouts(folder: Path) -> list[Layout]:
    """List the targets of a folder."""
    return [Layout(folder, path.name.replace("@", "/")) for path in sorted((folder / "targets").iterdir())]


async def start(keeper: Keeper, folder: Path) -> None:
    """Keep the watching program; if it is kept already, nothing is done."""
    async with _lock.held(folder / "watch.lock", seconds=_SECONDS):
        await keeper.start(
            Program(
                name=_NAME,
                argv=(sys.executable, "-P", "-m", "fairdeploy.backends.local.watch", str(folder)),
                cwd=str(folder),
                log=str(folder / "watch.log"),
                log_bytes=1_000_000,
                stop_grace_ms=2_000,
            )
        )


async def stop_unless_needed(keeper: Keeper, folder: Path) -> None:
    """Stop the watching program once no instance is left that has a liveness probe."""
    async with _lock.held(folder / "watch.lock", seconds=_SECONDS):
        if not any(each.probes.liveness for layout in layouts(folder) for each in _scan.records(layout)):
            await keeper.stop(_NAME)

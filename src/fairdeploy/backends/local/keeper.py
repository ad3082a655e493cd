"""Which keeper a folder has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.backends.local.supervisor import SupervisorKeeper

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.protocols.keeper import Keeper

__all__ = ["open_keeper"]


async def open_keeper(folder: Path | str) -> Keeper:
    """Return the keeper of a folder."""
    return SupervisorKeeper(folder)

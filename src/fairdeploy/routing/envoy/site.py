"""Where one target's Envoy is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import Target
    from fairdeploy.protocols import Keeper

__all__ = ["Site"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A target with the folder of its Envoy, and what starts it.

    Args:
        target: Whose traffic.
        folder: Envoy's working directory.
        keeper: Keeps it running.
        binary: Envoy itself, or ``None`` to look for it.
    """

    target: Target
    folder: Path
    keeper: Keeper
    binary: Path | None

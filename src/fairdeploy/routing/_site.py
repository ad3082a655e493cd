"""Where the router of one target on this machine is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

from fairdeploy.errors import Fenced
from fairdeploy.routing._files import gone_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from fairdeploy.model import Target
    from fairdeploy.protocols import Fence, Keeper

__all__ = ["Site", "fenced"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A target with the folder of its router, and what starts it.

    Args:
        target: Whose traffic.
        folder: The router's working directory.
        keeper: Keeps it running.
        find: Returns Envoy or HAProxy itself, and raises where there is none that works.
    """

    target: Target
    folder: Path
    keeper: Keeper
    find: Callable[[], Awaitable[Path]]


class _Written(Protocol):
    """What a router was told last."""

    @property
    def epoch(self) -> int:
        """Under which epoch."""
        ...


def fenced(state: _Written | None, site: Site, fence: Fence) -> None:
    """Refuse a holder that has been taken over.

    Raises:
        Fenced: If the state was written, or the folder removed, under a later epoch.
    """
    epoch = gone_at(site.folder) if state is None else state.epoch
    if fence.epoch < epoch:
        raise Fenced(
            f"epoch {fence.epoch} may not change the routes of {site.target.id!r}: epoch {epoch} has taken over"
        )

"""Whether what is seen of a target has stayed as it is: those who act by it may not know of a change yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import anyio

if TYPE_CHECKING:
    from fairdeploy.model import Target, TargetId

__all__ = ["Settling"]


@final
class Settling:
    """Since when each target is as it is.

    Args:
        seconds: For so long nothing must have changed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[TargetId, tuple[object, float]] = {}

    def settled(self, target: Target, state: object) -> bool:
        """Whether a target has been in this state for long enough."""
        now = anyio.current_time()
        before = self._since.get(target.id)
        if before is None or before[0] != state:
            before = self._since[target.id] = state, now
        return now - before[1] >= self._seconds

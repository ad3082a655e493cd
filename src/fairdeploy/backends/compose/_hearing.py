"""What the Docker Engine tells of a project's containers, heard as it happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.errors import BackendError

if TYPE_CHECKING:
    from fairdeploy.backends.compose._engine import Engine

__all__ = ["Hearing"]

_LOG = logging.getLogger("fairdeploy")
_AGAIN: Final = 1.0
"""Seconds until an engine that broke off is asked again."""


@final
class Hearing:
    """Whether anything has changed since it was last asked.

    Only that, not what: whoever hears of a change looks at everything, and looks from time to time all the same. So
    what nobody could tell, because the engine was away, is late, and not missed.

    Args:
        engine: Who tells.
        project: The name of a Compose project.
    """

    def __init__(self, engine: Engine, project: str) -> None:
        self._engine = engine
        self._project = project
        self._changed = anyio.Event()

    async def follow(self) -> None:
        """Listen until cancelled, whether the engine is there or not."""
        while True:
            try:
                await self._engine.follow(self._project, self._change)
            except BackendError as error:  # who looks at the engine says so aloud
                _LOG.debug("%s", error)
            await anyio.sleep(_AGAIN)

    async def change(self, within: float) -> bool:
        """Wait for a change, at most so many seconds; return whether there was one."""
        with anyio.move_on_after(within):
            await self._changed.wait()
        heard = self._changed.is_set()
        self._changed = anyio.Event()
        return heard

    def _change(self) -> None:
        self._changed.set()

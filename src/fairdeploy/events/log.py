"""News in the log of the program that delivers it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

from anyio.lowlevel import checkpoint

from fairdeploy.model import _check

if TYPE_CHECKING:
    from fairdeploy.model import Notice

__all__ = ["LogSink"]

_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


@final
class LogSink:
    """An `EventSink` that writes to a logger of the standard library, one record a notice.

    Args:
        logger: The logger's name.
        name: See `EventSink.name`.

    Raises:
        InvalidInput: If the name cannot be one.
    """

    def __init__(self, logger: str = "fairdeploy.events", *, name: str = "log") -> None:
        self._name = _check.name(name, "a sink")
        self._logger = logging.getLogger(logger)

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`. It always arrives."""
        await checkpoint()
        self._logger.log(_LEVELS[notice.urgency], "%s [%s]", notice, notice.id)

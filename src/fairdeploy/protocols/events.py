"""Where news of rollouts goes."""

from __future__ import annotations

from typing import Protocol

from fairdeploy.model import Notice

__all__ = ["EventSink"]


class EventSink(Protocol):
    """Takes notices, one after the other, in the order of the journal.

    Whoever delivers remembers how far each sink has got, by its name; a notice is delivered at least once, and again
    with the same id if it is not known whether it arrived.
    """

    @property
    def name(self) -> str:
        """What its position is kept under: the same in each process that delivers to it; a-z, 0-9, ``.``, ``_``, ``-``."""
        ...

    async def deliver(self, notice: Notice) -> None:
        """Deliver a notice; when it returns, the notice has arrived.

        It ends within a bounded time, can be cancelled, and holds nothing between two calls that must be closed.

        Raises:
            NotificationError: If it has not arrived, or that cannot be told. ``retryable``: try again later with the
                same notice; else it is given up.
        """
        ...

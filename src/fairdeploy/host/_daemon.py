"""supervisord, with what it lacks added through its own extension point. Run by path: it loads nothing of ours.

supervisor waits a second longer after each failed start, without end, or gives up for good. Here the pause
stays bounded and nothing is given up. It also counts starts, which supervisor does not.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from supervisor import events, supervisord  # type: ignore[import-untyped]  # the library has no types
from supervisor.states import getProcessStateDescription  # type: ignore[import-untyped]  # as above

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PAUSES", "Added", "make"]

PAUSES = (0, 1, 2, 4, 8, 10)
"""Seconds to wait after the first, second … failed start in a row; after more, as long as the last."""


class Added:
    """Methods that supervisord answers under the name ``fairdeploy``."""

    def __init__(self, daemon: Any, subscribe: Callable[..., None]) -> None:  # noqa: ANN401 -- has no types
        """Listen to every start and every failed start."""
        self._daemon = daemon
        self._starts: Counter[str] = Counter()
        subscribe(events.ProcessStateStartingEvent, self._started)
        subscribe(events.ProcessStateBackoffEvent, self._failed)

    def _started(self, event: Any) -> None:  # noqa: ANN401 -- has no types
        self._starts[event.process.config.name] += 1

    def _failed(self, event: Any) -> None:  # noqa: ANN401 -- has no types
        process = event.process
        process.backoff = min(process.backoff, len(PAUSES))
        process.delay = time.time() + PAUSES[process.backoff - 1]

    def states(self) -> list[dict[str, str | int]]:
        """Return name, state, pid, exit status and number of starts of every program."""
        return [
            {
                "name": name,
                "state": str(getProcessStateDescription(process.get_state())),
                "pid": process.pid,
                "exit": process.exitstatus if process.exitstatus is not None else -1000,
                "starts": self._starts[name],
            }
            for group in list(self._daemon.process_groups.values())
            for name, process in list(group.processes.items())
        ]

    def forget(self, name: str) -> bool:
        """Drop the count of a program that is no longer kept."""
        self._starts.pop(name, None)
        return True


def make(daemon: Any) -> Added:  # noqa: ANN401 -- has no types
    """Build the methods: supervisord's configuration names this function."""
    return Added(daemon, events.subscribe)


if __name__ == "__main__":
    supervisord.main()

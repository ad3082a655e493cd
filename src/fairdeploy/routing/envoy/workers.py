"""Asking Envoy's workers themselves by which serial they serve."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from fairdeploy.errors import RouterError
from fairdeploy.routing.envoy.admin import Unreachable, opened, question
from fairdeploy.routing.envoy.listeners import SERIAL_SOCKET

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.routing.envoy.state import State

__all__ = ["all_serve"]


async def all_serve(folder: Path, state: State) -> bool:
    """Return whether every worker hands back the state's serial.

    The statistics speak for Envoy's main thread, which can be ahead of a busy worker. As many
    connections as workers are open at once, and Envoy balances them exactly: each meets another worker.
    """
    try:
        async with AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(opened(folder, SERIAL_SOCKET)) for _ in range(state.workers)
            ]
            answers = [await question(stream, "/", state.token) for stream in streams]
    except (Unreachable, RouterError):
        return False  # Its listener is not up yet, or still serves by another document.
    return answers == [str(state.serial)] * state.workers

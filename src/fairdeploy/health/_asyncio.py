"""Which event loop runs: some libraries know asyncio only."""

from __future__ import annotations

import asyncio

__all__ = ["on_asyncio"]


def on_asyncio() -> bool:
    """Whether this is asyncio's event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

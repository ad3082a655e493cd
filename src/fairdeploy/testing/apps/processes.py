"""An application as a process, while a block runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from fairdeploy.errors import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process

__all__ = ["AppProcess", "app_process"]

_STOP_WITHIN_S = 5.0
_MAX_LINE = 4096
_LAST_LINES = 20


@final
class AppProcess:
    """A running application. Made by `app_process`."""

    def __init__(self, process: Process, address: tuple[str, int] | str) -> None:
        self._process = process
        self._address = address

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Its base URL; `http://localhost` if it listens on a unix socket."""
        return (
            "http://localhost"
            if isinstance(self._address, str)
            else f"http://{self._address[0]}:{self._address[1]}"
        )

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit status, negative for a signal."""
        return await self._process.wait()


@asynccontextmanager
async def app_process(
    name: Literal["polite", "rude"], *arguments: str, within: float = 20.0
) -> AsyncIterator[AppProcess]:
    """Run an application until the block ends: SIGTERM, and SIGKILL if it is still there 5 s later.

    Args:
        name: Which of the applications.
        arguments: Its command line; without `--port` or `--uds` it takes a free port.
        within: Seconds until it must answer.

    Raises:
        StartError: It did not come up in time, with its last words.
    """
    if not any(argument.partition("=")[0] in {"--port", "--uds"} for argument in arguments):
        arguments = ("--port", "0", *arguments)
    argv = [sys.executable, "-m", f"fairdeploy.testing.apps.{name}", *arguments]
    with tempfile.TemporaryFile() as words:
        process = await anyio.open_process(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, start_new_session=True
        )
        try:
            address = await _address_of(process, within)
            if address is None:
                words.seek(0)
                last = words.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
                msg = f"application {name!r} with {list(arguments)!r} did not answer within {within:g} s"
                raise StartError(msg, last)
            yield AppProcess(process, address)
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)


async def _address_of(process: Process, within: float) -> tuple[str, int] | str | None:
    if process.stdout is None:
        return None
    with anyio.move_on_after(within):
        try:
            line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", _MAX_LINE)
        except (anyio.EndOfStream, anyio.IncompleteRead):
            return None
        address = json.loads(line)["ready"]
        return address if isinstance(address, str) else (str(address[0]), int(address[1]))
    return None


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(_STOP_WITHIN_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        with anyio.move_on_after(_STOP_WITHIN_S):
            await process.wait()
    await process.aclose()

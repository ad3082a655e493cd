"""Ask a command: it answers by its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from fairdeploy.health.finding import Finding, failed, passed, unclear

if TYPE_CHECKING:
    from anyio.abc import Process

    from fairdeploy.model import CommandCheck

__all__ = ["ask_command"]

_KEPT_BYTES = 8_192
_KEPT_LINES = 20
_LAST_WORDS_SECONDS = 0.5
_KILL_SECONDS = 5.0


async def ask_command(check: CommandCheck, asked: str, address: str | None) -> Finding:
    """Run a command to its end, or to its deadline, when its whole process group is killed.

    Args:
        check: Argument vector, deadline, and what it must print.
        asked: Who is asked about, for the message.
        address: What ``{address}`` in the command is replaced by.
    """
    command, timeout_ms = check.command, check.timeout_ms
    argv = [word.replace("{address}", address) if address is not None else word for word in command]
    what = f"{asked}: command {command[0]!r}"
    try:
        process = await anyio.open_process(
            argv, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return unclear(asked, f"{what} cannot be run: {error}")
    output = bytearray()
    try:
        with anyio.move_on_after(timeout_ms / 1000) as deadline:
            await _finish(process, output)
    finally:
        with anyio.move_on_after(_KILL_SECONDS, shield=True):
            await _end(process)
    code = process.returncode
    if deadline.cancelled_caught:
        return failed(asked, f"{what} was killed: it took longer than {timeout_ms} ms", _lines(output))
    if code != 0:
        return failed(asked, f"{what} exited with {code}", _lines(output))
    if check.contains is not None and check.contains.encode() not in output:
        return failed(asked, f"{what} exited with 0, but did not print {check.contains!r}", _lines(output))
    return passed(asked, f"{what} exited with 0")


async def _finish(process: Process, output: bytearray) -> None:
    """Wait for the exit. Its output is read beside that: a full pipe would keep it from ending."""

    async def listen() -> None:
        if process.stdout is not None:
            async for chunk in process.stdout:
                output.extend(chunk)
                del output[:-_KEPT_BYTES]
        heard.set()

    heard = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await process.wait()
        # What it left running may hold the pipe open.
        with anyio.move_on_after(_LAST_WORDS_SECONDS):
            await heard.wait()
        tasks.cancel_scope.cancel()


async def _end(process: Process) -> None:
    """Kill what is left of the command's process group, and reap it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


def _lines(output: bytearray) -> list[str]:
    return output.decode("utf-8", "replace").splitlines()[-_KEPT_LINES:]

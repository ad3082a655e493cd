"""Running a program to its end: an argument list, a deadline, bounded output, no secret in what it said."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import anyio

from fairdeploy.errors import DeadlineExceeded, FairdeployError, MissingDependency

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import ByteReceiveStream, Process

__all__ = ["Ran", "run_to_end"]

_MOST: Final = 64 * 1024 * 1024
_COMPLAINTS: Final = 64 * 1024
_LAST: Final = 2_000
_LAST_WORDS_S: Final = 0.5
"""Seconds for which is read what a program has left in its pipes; what it left running may hold them open."""
_END_S: Final = 5.0


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """What a program left.

    Args:
        status: Its exit status; negative: the signal that ended it.
        output: What it printed, as it was.
        said: The end of what it said to standard error.
    """

    status: int
    output: bytes
    said: str

    @property
    def printed(self) -> str:
        """What it printed, as text."""
        return self.output.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """Its last words."""
        return (self.said.strip() or self.printed.strip())[-_LAST:]


async def run_to_end(
    argv: Sequence[str],
    *,
    within: float,
    given: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    secrets: Iterable[str] = (),
    most: int = _MOST,
) -> Ran:
    """Run a program to its end. Where that does not come in time, or is not waited for any more, all its group is killed.

    Args:
        argv: Program and arguments; no shell reads them.
        within: Seconds.
        given: What it reads from standard input.
        env: Its whole environment; ``None``: this program's.
        cwd: Where it runs.
        secrets: What is taken out of what it printed and said.
        most: Bytes that it may print.

    Returns:
        What it left, whatever its exit status.

    Raises:
        MissingDependency: If it cannot be run.
        DeadlineExceeded: If it does not end in time.
        FairdeployError: If it prints more than ``most``.
    """
    try:
        process = await anyio.open_process(
            list(argv),
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        msg = f"{argv[0]!r} cannot be run ({why}): is it installed where this program looks?"
        raise MissingDependency(msg) from error
    output, said = bytearray(), bytearray()
    try:
        with anyio.move_on_after(within) as deadline:
            await _finish(process, given, output, said, most)
    finally:
        with anyio.move_on_after(_END_S, shield=True):
            await _end(process)
    if deadline.cancelled_caught:
        raise DeadlineExceeded(f"{argv[0]!r} did not end within {within:g} s, and was killed")
    if len(output) > most:
        raise FairdeployError(f"{argv[0]!r} printed more than {most} bytes, and was killed")
    hidden = [word for word in secrets if word]
    return Ran(
        process.returncode or 0,
        _without(bytes(output), hidden),
        _without(bytes(said), hidden).decode(errors="replace"),
    )


def _without(text: bytes, secrets: Sequence[str]) -> bytes:
    for word in secrets:
        text = text.replace(word.encode(), b"***")
    return text


async def _finish(process: Process, given: bytes, output: bytearray, said: bytearray, most: int) -> None:
    """Wait for the exit. Its output is read beside that: a full pipe would keep it from ending."""
    heard = anyio.Event()

    async def feed() -> None:
        if process.stdin is not None:
            # It may end without having read all of it.
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await process.stdin.send(given)
            await process.stdin.aclose()

    async def listen() -> None:
        async with anyio.create_task_group() as both:
            both.start_soon(_read, process.stdout, output, most + 1, too_much)
            both.start_soon(_read, process.stderr, said, _COMPLAINTS, None)
        heard.set()

    async with anyio.create_task_group() as tasks:
        too_much = tasks.cancel_scope
        tasks.start_soon(feed)
        tasks.start_soon(listen)
        await process.wait()
        with anyio.move_on_after(_LAST_WORDS_S):
            await heard.wait()
        tasks.cancel_scope.cancel()


async def _read(
    stream: ByteReceiveStream | None, kept: bytearray, most: int, too_much: anyio.CancelScope | None
) -> None:
    """Keep the last bytes of a stream; end all where it may not be more than that."""
    if stream is None:
        return
    async for chunk in stream:
        kept.extend(chunk)
        if too_much is not None and len(kept) >= most:
            too_much.cancel()
        del kept[:-most]


async def _end(process: Process) -> None:
    """Kill the program's whole group if it has not ended, reap it, and close its pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            await stream.aclose()

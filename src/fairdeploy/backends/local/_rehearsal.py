"""A throw-away instance on this machine: no keeper knows it, no router does, and it does not outlive its reader."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import anyio
import anyio.to_thread
from anyio.streams.buffered import BufferedByteReceiveStream

from fairdeploy.backends.local import _rehearsing, _scan, _starting, _tail, _watching
from fairdeploy.backends.local._layout import Layout
from fairdeploy.errors import BackendError
from fairdeploy.host import _files, _hidden
from fairdeploy.host.launch import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import Process

    from fairdeploy.backends.local._record import Record
    from fairdeploy.host._home import Home
    from fairdeploy.model import Release, Target

__all__ = ["Trial", "memory_of", "trial"]

_BEGIN = 10.0
_END = 10.0
_LINES = 20
_MOST = 65_536


@final
class Trial:
    """A running throw-away instance. Made by `trial`."""

    def __init__(self, sitter: Process, *, pid: int, record: Record, run: Path, output: Path) -> None:
        self._sitter = sitter
        self._pid = pid
        self._record = record
        self._run = run
        self._output = output
        self._code: int | None = None
        self._over = anyio.Event()

    @property
    def address(self) -> str:
        """Where it listens: its port may have changed while it started."""
        known = _files.read_json(self._run) or {}
        return self._record.address(_scan.number(known, "port") or self._record.port) or ""

    async def listen(self, lines: BufferedByteReceiveStream) -> None:
        """Wait for the word that it has ended."""
        with suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError, ValueError):
            line = await lines.receive_until(b"\n", _MOST)
            self._code = int(json.loads(line)["exited"])
        self._over.set()

    async def ask_to_stop(self) -> None:
        """Send it the stop signal of its release."""
        self._send(signal.Signals[self._record.stop_signal])

    async def ended(self) -> int | None:
        """Wait until it has ended; return its status."""
        await self._over.wait()
        return self._code

    async def kill(self) -> None:
        """End it and everything that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            if not self._over.is_set():
                os.killpg(self._pid, signal.SIGKILL)

    def last_words(self) -> tuple[str, ...]:
        """Return the last lines that it wrote, without the secrets that it was given."""
        return _hidden.hide(_tail.last(self._output, _LINES), _hidden.values(self._record.secrets))

    def memory(self) -> int | None:
        """Return the bytes of memory that it and its children use."""
        return memory_of(self._pid)

    def _send(self, number: signal.Signals) -> None:
        # The sitter reaps it only after telling so: until then the number is its own.
        with suppress(ProcessLookupError):
            if not self._over.is_set():
                os.kill(self._pid, number)


@asynccontextmanager
async def trial(folder: Path, home: Home, target: Target, release: Release) -> AsyncGenerator[Trial]:
    """Start an instance of a release in a folder of its own, and leave nothing of it behind.

    Raises:
        StartError: If it cannot be started at all.
        BackendError: If what sits beside it does not come up.
        Unbound: If a secret cannot be found.
        StateError: If the folder cannot be written.
    """
    place = _files.private_folder(folder / "rehearsals")
    scratch = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(dir=place)))
    try:
        layout = Layout(scratch, target.id)
        record = await anyio.to_thread.run_sync(_written, layout, folder, home, release)
        async with _sitting(layout, record, scratch) as running:
            yield running
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_removed, scratch, home)


def _removed(scratch: Path, home: Home) -> None:
    """Remove what the sitter has left: nothing, unless it was killed itself. Blocks."""
    Path(home.address(scratch.name)).unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)


def _written(layout: Layout, folder: Path, home: Home, release: Release) -> Record:
    revision = release.revision
    template = _starting.template(layout, revision, release)
    _starting.check(template, release)
    _starting.write(layout, revision, release)
    words = (*release.command, *(value for value in release.env.values() if isinstance(value, str)))
    taken = frozenset(port for other in _watching.layouts(folder) for port in _scan.ports(other))
    name = f"{revision}.trial"
    record = replace(
        template,
        id=name,
        port=free_port(taken) if any("{port}" in word for word in words) else None,
        uds=home.address(layout.root.name) if any("{uds}" in word for word in words) else None,
    )
    _files.write_json(layout.instance(name), record.encoded(layout.run(name), layout.ready(name)))
    return record


@asynccontextmanager
async def _sitting(layout: Layout, record: Record, scratch: Path) -> AsyncGenerator[Trial]:
    argv = [
        sys.executable,
        "-I",
        "-S",
        str(_rehearsing.__file__),
        str(layout.instance(record.id)),
        str(scratch),
    ]
    sitter = await anyio.open_process(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        lines = BufferedByteReceiveStream(sitter.stdout)  # type: ignore[arg-type]  # a pipe was asked for
        try:
            with anyio.fail_after(_BEGIN):
                pid = int(json.loads(await lines.receive_until(b"\n", _MOST))["pid"])
        except (TimeoutError, anyio.EndOfStream, anyio.IncompleteRead, ValueError) as error:
            message = (
                "a trial instance could not be started: try again, or leave it out with without={'rehearsal'}"
            )
            raise BackendError(message) from error
        running = Trial(sitter, pid=pid, record=record, run=layout.run(record.id), output=scratch / "output")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.listen, lines)
            yield running
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(_END, shield=True) as late:
            if sitter.stdin is not None:
                await sitter.stdin.aclose()
            await sitter.wait()
        if late.cancelled_caught:
            sitter.kill()
        with anyio.move_on_after(_END, shield=True):
            await sitter.aclose()


def memory_of(pid: int) -> int | None:
    """Return the memory of a process and its descendants in bytes; ``None`` if that cannot be read.

    Proportional set size where the system tells it: what several processes share is counted once.
    """
    total = 0
    for each in _family(pid):
        total += _size(each, "smaps_rollup", "Pss:") or _size(each, "status", "VmRSS:") or 0
    return total or None


def _family(pid: int) -> list[int]:
    found, fresh = [pid], [pid]
    while fresh and len(found) < 1_000:
        each = fresh.pop()
        try:
            text = Path(f"/proc/{each}/task/{each}/children").read_text(encoding="ascii")
        except OSError:
            continue
        children = [int(word) for word in text.split()]
        found += children
        fresh += children
    return found


def _size(pid: int, file: str, key: str) -> int | None:
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None

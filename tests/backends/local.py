"""What the tests of the local backend have in common."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.abc

from fairdeploy.host._process import Identity, marked
from fairdeploy.model import HTTPProbe, Probes, Release
from fairdeploy.protocols import Fence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.backends.local import LocalBackend
    from fairdeploy.model import Instance, Revision, Target

FENCE = Fence(epoch=1, key="test")
DEADLINE = 90
SERVING = (sys.executable, "-I", "-S", str(Path(__file__).with_name("serving.py")))
READINESS = HTTPProbe("/", interval_ms=50)


def serving(version: str = "1", *words: str, address: str = "--port={port}", **more: object) -> Release:
    """Return a release of the small application."""
    given = {"probes": Probes(readiness=READINESS), "stop_grace_ms": 3_000, **more}
    return Release(version, command=(*SERVING, address, *words), **given)  # type: ignore[arg-type]  # tests give what fits


T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T]], fits: Callable[[T], bool], *, seconds: float = DEADLINE
) -> T:
    """Look until what is seen fits, and return it; fails with what was seen last."""
    seen = await look()
    with anyio.move_on_after(seconds):
        while not fits(seen):
            await anyio.sleep(0.02)
            seen = await look()
    assert fits(seen), seen
    return seen


async def revision(backend: LocalBackend, target: Target, release: Release) -> Revision:
    """Observe one revision that must be there."""
    found = (await backend.observe(target)).revision(release.revision)
    assert found is not None
    return found


async def ready(
    backend: LocalBackend, target: Target, release: Release, count: int = 1
) -> tuple[Instance, ...]:
    """Wait until so many instances are ready."""
    found = await until(lambda: revision(backend, target, release), lambda seen: len(seen.ready) == count)
    return found.instances


async def ask(address: str, path: str = "/") -> dict[str, object]:
    """Ask the small application what it was given."""
    if address.startswith("unix:"):
        stream: anyio.abc.ByteStream = await anyio.connect_unix(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        stream = await anyio.connect_tcp(host, int(port))
    seen = b""
    async with stream:
        await stream.send(b"GET %s HTTP/1.1\r\n\r\n" % path.encode())
        async for part in stream:
            seen += part
    found: dict[str, object] = json.loads(seen.partition(b"\r\n\r\n")[2])
    return found


async def pid_of(instance: Instance) -> int:
    """Ask an instance for its process id."""
    assert instance.address is not None
    found = (await ask(instance.address))["pid"]
    assert isinstance(found, int)
    return found


def texts(folder: Path) -> str:
    """Read every file of a folder, also while others take some away."""
    found = []
    for path in names(folder):
        with suppress(FileNotFoundError):
            if path.is_file():
                found.append(path.read_text(errors="replace"))
    return "\n".join(found)


async def killed(pid: int | None) -> None:
    """Kill a process, and wait until it is dead: on a busy machine it runs, and answers, a moment longer."""
    assert pid is not None
    identity = Identity.of(pid)
    assert identity is not None
    identity.kill()

    async def alive() -> bool:
        return identity.alive

    await until(alive, lambda seen: not seen)


def kept(backend: LocalBackend) -> list[int]:
    """List the processes that the backend's keeper has started, itself included."""
    return marked(backend._keeper._home.mark)  # type: ignore[attr-defined]  # the tests open with supervisor


def command_lines(backend: LocalBackend) -> list[bytes]:
    """Read the arguments of all that the backend's keeper has started."""
    return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in kept(backend)]


def names(folder: Path) -> list[Path]:
    """List everything in a folder, also while others take it away."""
    return sorted(Path(top, name) for top, below, files in os.walk(folder) for name in (*below, *files))


def modes(folder: Path) -> set[int]:
    """Return the modes of the folders in a folder."""
    return {stat.S_IMODE(path.stat().st_mode) for path in names(folder) if path.is_dir()}


def read(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()

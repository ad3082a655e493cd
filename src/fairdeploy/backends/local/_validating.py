"""What this machine lets one look at before anything moves."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from fairdeploy.backends.local import _rehearsal, _scan
from fairdeploy.backends.local._layout import Layout
from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.preflight.repository import repository
from fairdeploy.protocols import Validation
from fairdeploy.validation import Copies, Disk, Machine, cpu, disk, memory

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.host._home import Home
    from fairdeploy.preflight.rehearsal import Replica
    from fairdeploy.protocols import Scene

__all__ = ["ROUTER_IDLE_MS", "validations"]

ROUTER_IDLE_MS = 2_000
"""How long the embedded router keeps an idle connection to an instance."""
_REHEARSAL = 120.0
_CGROUP = Path("/sys/fs/cgroup")


def validations(folder: Path, home: Home) -> tuple[Validation, ...]:
    """Return what can be looked at here; of which release, the scene says when it is its turn."""

    async def permissions(scene: Scene) -> Sequence[Finding]:
        return await anyio.to_thread.run_sync(_permissions, folder, scene)

    async def room(scene: Scene) -> Sequence[Finding]:
        return await anyio.to_thread.run_sync(_room, folder, scene)

    async def rehearsal(scene: Scene) -> Sequence[Finding]:
        from fairdeploy.preflight.rehearsal import rehearsed  # noqa: PLC0415 -- with its library

        short = [each for each in await room(scene) if each.refuses]
        if short:
            return ()  # said by the other validation; there is no room for one copy more

        def start() -> AbstractAsyncContextManager[Replica]:
            return _rehearsal.trial(folder, home, scene.target, scene.release)

        router = ROUTER_IDLE_MS if scene.backend.router is not None else None
        return await rehearsed(scene, start, router_idle_ms=router)

    return (
        repository(),
        Validation("permissions", aspect=Aspect.PERMISSIONS, look=permissions),
        Validation("room", aspect=Aspect.CAPACITY, look=room),
        Validation("rehearsal", aspect=Aspect.CAPACITY, look=rehearsal, deadline=_REHEARSAL),
    )


def _permissions(folder: Path, scene: Scene) -> list[Finding]:
    """Look at who can use which file. Blocks."""
    found = [_writable(folder)]
    files = {name: ref.key for name, ref in scene.release.secrets.items() if ref.source == "file"}
    if scene.target.tls is not None:
        files["TLS key"] = scene.target.tls.key
    found += [_private(name, Path(path)) for name, path in files.items()]
    if scene.release.workdir is not None:
        found.append(_readable(Path(scene.release.workdir)))
    return found


def _writable(folder: Path) -> Finding:
    good = os.access(folder, os.W_OK | os.X_OK)
    return Finding(
        "folder",
        aspect=Aspect.PERMISSIONS,
        severity=Severity.CRITICAL,
        passed=good,
        message=f"folder {str(folder)!r} can {'' if good else 'not '}be written",
        remedy="" if good else "give it to the user that deploys, with mode 0700",
    )


def _private(name: str, path: Path) -> Finding:
    try:
        found = path.stat()
    except OSError as error:
        return Finding(
            name, aspect=Aspect.PERMISSIONS, severity=Severity.CRITICAL, passed=False,
            message=f"file {str(path)!r} of {name!r} cannot be read ({error.strerror})",
            remedy="check that it is there, and its owner and mode",
        )  # fmt: skip  # the shape of all findings here
    open_to = [
        who for who, bit in (("its group", stat.S_IRGRP), ("everybody", stat.S_IROTH)) if found.st_mode & bit
    ]
    return Finding(
        name,
        aspect=Aspect.PERMISSIONS,
        severity=Severity.WARNING,
        passed=not open_to,
        message=f"file {str(path)!r} of {name!r} can be read by {open_to[-1] if open_to else 'its owner only'}",
        remedy=f"chmod 600 {path}" if open_to else "",
    )


def _readable(folder: Path) -> Finding:
    good = os.access(folder, os.R_OK | os.X_OK)
    return Finding(
        "workdir",
        aspect=Aspect.PERMISSIONS,
        severity=Severity.CRITICAL,
        passed=good,
        message=f"working directory {str(folder)!r} can {'' if good else 'not '}be used",
        remedy="" if good else "make it, or let the user that deploys read and enter it",
    )


def _room(folder: Path, scene: Scene) -> list[Finding]:
    """Look at disk, memory and processors. Blocks."""
    layout = Layout(folder, scene.target.id)
    found = _scan.scan(layout)
    each = [
        _rehearsal.memory_of(one.identity.pid)
        for one in found.instances
        if one.record.revision == found.stable and one.identity is not None and one.identity.alive
    ]
    sizes = [size for size in each if size]
    copies = Copies(replicas=scene.target.replicas or len(sizes) or 1, each=max(sizes) if sizes else None)
    machine = Machine(
        memory=_available(_meminfo()),
        processors=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
    )
    return [disk(_disk(folder)), *memory(machine, copies), *cpu(machine)]


def _disk(folder: Path) -> Disk:
    space, counted = shutil.disk_usage(folder), os.statvfs(folder)
    return Disk(
        folder=str(folder),
        free=space.free,
        total=space.total,
        inodes=counted.f_favail if counted.f_files else None,
    )


def _meminfo() -> Mapping[str, int]:
    found: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        key, _, rest = line.partition(":")
        found[key] = int(rest.split()[0]) * 1024
    return found


def _available(meminfo: Mapping[str, int]) -> int | None:
    """Return what new programs can have: of the machine, and of the control group (v2) that this one is in."""
    left = meminfo.get("MemAvailable")
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").partition("::")[2].strip()
        own = _CGROUP / group.lstrip("/")
        most, used = (own / "memory.max").read_text().strip(), int((own / "memory.current").read_text())
    except (OSError, ValueError):
        return left
    if most == "max":
        return left
    # What it has cached of files is given up when programs ask for it.
    cached = next(
        (int(line.split()[1]) for line in _lines(own / "memory.stat") if line.startswith("inactive_file ")), 0
    )
    inside = max(0, int(most) - used + cached)
    return inside if left is None else min(left, inside)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []

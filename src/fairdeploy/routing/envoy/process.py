"""Envoy as a process: its arguments, and how the keeper is asked for it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import RouterError
from fairdeploy.protocols import Program

if TYPE_CHECKING:
    from fairdeploy.model import Target
    from fairdeploy.routing.envoy.state import State

__all__ = [
    "BOOTSTRAP",
    "LOG",
    "drain_s",
    "forget_memory",
    "link",
    "link_name",
    "parent_s",
    "program",
    "program_name",
    "workers",
]

BOOTSTRAP: Final = "bootstrap.json"
LOG: Final = "envoy.log"
_HOT_SOCKET: Final = "hot"
_MOST_DRAIN_S: Final = 10
_LOG_BYTES: Final = 4_000_000
_MOST_WORKERS: Final = 4


def workers() -> int:
    """Return how many worker threads an Envoy gets: two at least, one a core, four at most."""
    return max(2, min(_MOST_WORKERS, os.cpu_count() or 1))


def link_name(process: int) -> str:
    """Return the link through which a keeper starts Envoy: one for each, so that it can be taken away from an old one."""
    return f"envoy-{process}"


def link(folder: Path, process: int, binary: Path) -> None:
    """Let a link name the binary.

    Raises:
        RouterError: If it cannot be made.
    """
    path = folder / link_name(process)
    if path.is_symlink() and path.readlink() == binary:
        return
    draft = path.with_name(f".{path.name}")
    try:
        draft.unlink(missing_ok=True)
        draft.symlink_to(binary)
        draft.replace(path)
    except OSError as exc:
        raise RouterError(f"{str(path)!r} cannot be made: {exc.strerror}") from exc


def drain_s(target: Target) -> int:
    """Return how long an Envoy that is replaced asks its users to come back over a new connection."""
    return max(1, min(_MOST_DRAIN_S, target.drain_ms // 1000))


def parent_s(target: Target) -> int:
    """Return when an Envoy that is replaced exits, whoever is still connected."""
    return drain_s(target) + max(target.drain_ms, target.stream_drain_ms) // 1000


def program_name(target: Target, process: int) -> str:
    """Return the keeper's name for a target's Envoy. Hot restarts need a name each."""
    name = f"envoy.{target.app}.{target.environment}"
    if "." in target.app + target.environment:  # "a.b" in "c" is not "a" in "b.c"
        name = f"{name}.{hashlib.sha256(target.id.encode()).hexdigest()[:6]}"
    return f"{name}.{process}" if process else name


def program(target: Target, state: State, folder: Path) -> Program:
    """Return the program that the keeper is to keep."""
    argv = [
        *(
            str(folder / link_name(state.process)),
            "--config-path",
            BOOTSTRAP,
            "--concurrency",
            str(state.workers),
            "--log-level",
            "warning",
        ),
        # Sockets for hot restarts lie in the private folder: by default they are abstract, open to every user.
        *("--base-id", str(state.base_id), "--socket-path", _HOT_SOCKET, "--socket-mode", "600"),
        *("--restart-epoch", str(state.process), "--drain-time-s", str(drain_s(target))),
        *("--parent-shutdown-time-s", str(parent_s(target))),
    ]
    if state.process:
        # After a crash there is no parent to take over from: the keeper starts it all the same.
        argv.append("--skip-hot-restart-on-no-parent")
    return Program(
        name=program_name(target, state.process),
        argv=tuple(argv),
        cwd=str(folder),
        log=str(folder / LOG),
        log_bytes=_LOG_BYTES,
        stop_grace_ms=5_000,
    )


def forget_memory(base_id: int) -> None:
    """Remove the 104 bytes of shared memory that an Envoy with hot restarts leaves behind."""
    for name in Path("/dev/shm").glob(f"envoy_shared_memory_{base_id * 10}*"):  # noqa: S108 - where POSIX shared memory lies
        name.unlink(missing_ok=True)

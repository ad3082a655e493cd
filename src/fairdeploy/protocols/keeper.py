"""What keeps processes running on this machine when nobody of ours does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, final

__all__ = ["Keeper", "Program", "ProgramState"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to be kept: started now, restarted with growing pauses whenever it exits.

    Args:
        name: Unique within the keeper's folder.
        argv: Program and arguments. No secrets: everybody can read a process's arguments.
        cwd: Working directory, absolute.
        env: Whole environment besides the keeper's minimum. No secrets either: a keeper may
            write it to its own files.
        log: File for stdout and stderr, absolute; kept below ``log_bytes``, with one older part.
        log_bytes: Bound of the log file.
        stop_signal: Asks it to finish.
        stop_grace_ms: Then SIGKILL, to the whole process group.
        restart: ``False`` for programs that run once; ``"on-failure"`` for those that are done when they
            exit with 0. Exiting within five seconds may count as a failure whatever the status.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str
    log: str
    env: Mapping[str, str] = field(default_factory=dict)
    log_bytes: int = 10_000_000
    stop_signal: str = "SIGTERM"
    stop_grace_ms: int = 10_000
    restart: bool | Literal["on-failure"] = True


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """How a program is.

    Args:
        name: Which.
        phase: ``running`` (it may have been for a millisecond only), ``backoff`` (it exited and
            will be restarted), ``stopping``, ``exited``.
        pid: Of the running process, else ``None``.
        exit_code: Of the last exit, if known; negative for a signal.
        restarts: How often it was restarted, as far as known.
    """

    name: str
    phase: Literal["running", "backoff", "stopping", "exited"]
    pid: int | None = None
    exit_code: int | None = None
    restarts: int = 0


class Keeper(Protocol):
    """Keeps programs of one folder. Survives the program that talks to it; any later one finds the same."""

    async def start(self, program: Program) -> None:
        """Start and keep a program. One of the same name that is kept already is left as it is.

        Raises:
            StartError: If the keeper refuses it (missing binary, unusable folder).
        """
        ...

    async def stop(self, name: str) -> None:
        """Stop a program (signal, grace, SIGKILL) and forget it. Returns when it is gone. Unknown: nothing to do."""
        ...

    async def states(self) -> Mapping[str, ProgramState]:
        """Return every program that is kept."""
        ...

    async def shutdown(self) -> None:
        """Stop every program, and the keeper's own processes: for good, before the folder is removed or rests.

        Raises:
            BackendError: If something does not end.
        """
        ...

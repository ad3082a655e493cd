"""HAProxy as a process: how the keeper is asked for it, and what it was started from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import RouterError
from fairdeploy.protocols import Program
from fairdeploy.routing._files import make, tail, write
from fairdeploy.routing.haproxy.document import CERTIFICATE, CONFIG, configuration, maps
from fairdeploy.routing.haproxy.state import STATE_FILE, encode

if TYPE_CHECKING:
    from fairdeploy.model import TLS, Target
    from fairdeploy.routing.haproxy.state import State

__all__ = ["pem", "program", "program_name", "put", "reason"]

_LOG: Final = "haproxy.log"
_LOG_BYTES: Final = 4_000_000
_MOST_THREADS: Final = 4


def program_name(target: Target) -> str:
    """Return the keeper's name for a target's HAProxy."""
    name = f"haproxy.{target.app}.{target.environment}"
    if "." in target.app + target.environment:  # "a.b" in "c" is not "a" in "b.c"
        name = f"{name}.{hashlib.sha256(target.id.encode()).hexdigest()[:6]}"
    return name


def program(target: Target, folder: Path, binary: Path) -> Program:
    """Return the program that the keeper is to keep."""
    return Program(
        name=program_name(target),
        argv=(str(binary), "-db", "-f", CONFIG),
        cwd=str(folder),
        log=str(folder / _LOG),
        log_bytes=_LOG_BYTES,
        stop_grace_ms=5_000,
    )


def put(folder: Path, state: State) -> None:
    """Write all that HAProxy is started from, and the state itself.

    Raises:
        RouterError: If it cannot be written.
    """
    make(folder)
    if state.tls is not None:
        write(folder, CERTIFICATE, pem(state.tls))
    for name, entries in maps(state).items():
        write(folder, name, "".join(f"{key} {value}\n" for key, value in entries).encode())
    threads = max(2, min(_MOST_THREADS, os.cpu_count() or 1))
    write(folder, CONFIG, configuration(state, threads).encode())
    write(folder, STATE_FILE, encode(state))


def pem(tls: TLS) -> bytes:
    """Return certificate and key in one, as HAProxy wants them.

    Raises:
        RouterError: If one cannot be read.
    """
    try:
        return Path(tls.certificate).read_bytes() + b"\n" + Path(tls.key).read_bytes()
    except OSError as exc:
        raise RouterError(f"certificate {tls.certificate!r} cannot be read ({exc.strerror})") from exc


def reason(folder: Path) -> str:
    """Return the last words of HAProxy's log, to end a message with."""
    lines = tail(folder / _LOG)
    return "".join(f"\n  | {line}" for line in lines) or f" its log {str(folder / _LOG)!r} is empty"

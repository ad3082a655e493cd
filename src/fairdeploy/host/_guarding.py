"""Whoever acts on a folder sees to it that somebody goes on if it dies."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import InvalidInput, StateError
from fairdeploy.host import _files, _lock, _program
from fairdeploy.host._guarded import GuardedJournal
from fairdeploy.protocols.journal import Findable
from fairdeploy.protocols.keeper import Program
from fairdeploy.system.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from fairdeploy.model import SecretRef
    from fairdeploy.model.canonical import JSON
    from fairdeploy.protocols.journal import Journal
    from fairdeploy.protocols.keeper import Keeper, ProgramState

__all__ = ["guarded", "handed_on", "journal", "wanted"]

_LOG = logging.getLogger("fairdeploy")
_NAME = "guard"
_SECONDS = 60.0
_PAUSE = 0.01
_LAST_LOOK = 2.0
"""Seconds that a guard may take for its last look; one that takes longer is stopped, and another started."""
_GRACE_MS = 30_000
"""Asked to leave, it completes the effect in hand: at the longest, an instance that is being stopped."""
_HANDED_ON = (
    "PYTHONPATH",
    "FAIRDEPLOY_ENVOY_BIN",
    "FAIRDEPLOY_HAPROXY_BIN",
    "FAIRDEPLOY_COMPOSE_BIN",
    *(f"DOCKER_{name}" for name in ("HOST", "CONTEXT", "CONFIG", "TLS_VERIFY", "CERT_PATH")),
)
"""Variables by which this program finds modules, routers and the Docker Engine, and what it leaves behind must too."""
_OF_POSTGRES = tuple(
    f"PG{name}"
    for name in (
        "HOST",
        "PORT",
        "USER",
        "DATABASE",
        "PASSFILE",
        "SSLMODE",
        "SSLROOTCERT",
        "SSLCERT",
        "SSLKEY",
    )
)
"""The same for a journal in PostgreSQL. `PGPASSWORD` is a secret."""


def wanted(asked: bool | None, journal: Journal | None, *others: object, named: bool = False) -> bool:  # noqa: FBT001 -- as it was asked
    """Whether a guard is to be kept: unless said otherwise, if nothing is given that it would not find.

    Args:
        asked: As it was asked for.
        journal: As it was given.
        others: What else was given, that no URI names.
        named: Whether the backend's URI names the journal.

    Raises:
        InvalidInput: If it is asked for and cannot find the journal.
    """
    found = journal is None or (named and isinstance(journal, Findable) and journal.address() is not None)
    if asked and not found:
        raise InvalidInput(
            "a guard opens the folder by its URI and would not find the journal that is given: leave out guard=True, "
            "or give a journal in a file or a PostgreSQL, its password by a SecretRef"
        )
    return found and all(each is None for each in others) if asked is None else asked


def journal(
    records: Journal,
    keeper: Keeper,
    folder: Path,
    bindings: str | None,
    *,
    uri: str,
    address: str | None = None,
) -> Journal:
    """Return a folder's journal that sees to a guard of the backend at ``uri``.

    Args:
        records: The journal.
        keeper: What keeps the guard.
        folder: Where the guard's files are.
        bindings: Module with callables.
        uri: Of the backend.
        address: Of the journal, if it is not the folder's own.

    Raises:
        InvalidInput: If ``bindings`` is no name of a module.
    """
    if bindings is not None and not all(part.isidentifier() for part in bindings.split(".")):
        raise InvalidInput(f"bindings {bindings!r} is no name of a module: give one such as 'shop.bindings'")
    return GuardedJournal(records, partial(guarded, keeper, folder, bindings, uri=uri, address=address))


@asynccontextmanager
async def guarded(
    keeper: Keeper, folder: Path, bindings: str | None, *, uri: str, address: str | None = None
) -> AsyncGenerator[None]:
    """See that a guard is kept, and that it does not leave before the block has ended.

    Guards with different bindings, or of different journals, are kept beside each other: several are safe.

    Raises:
        StartError: If the keeper refuses it.
        StateError: If the folder cannot be used.
    """
    name = _name(address, bindings)
    door = folder / f"{name}.door"
    try:
        fd = os.open(door, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"lock {str(door)!r} cannot be opened ({error.strerror}): give a folder that this user can write to"
        ) from error
    try:
        with anyio.move_on_after(_LAST_LOOK):
            while not _shared(fd):  # noqa: ASYNC110 -- a file lock cannot be awaited
                await anyio.sleep(_PAUSE)
        async with _lock.held(folder / f"{name}.lock", seconds=_SECONDS):
            program = _guard(folder, name, uri, bindings, address)
            await _keep(keeper, folder, name, program, fd)
        yield
    finally:
        os.close(fd)


def _shared(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _keep(keeper: Keeper, folder: Path, name: str, program: Program, fd: int) -> None:
    state = (await keeper.states()).get(name)
    if state is not None and _has_left(state, os.pread(fd, 32, 0).decode(errors="replace")):
        await keeper.stop(name)
        state = None
    if state is None:
        _LOG.info("starting a guard for %r: its log is %r", str(folder), program.log)
        await keeper.start(program)


def _has_left(state: ProgramState, last: str) -> bool:
    """Whether a guard is done. The keeper may not have heard of it yet, but its own last word tells."""
    return state.phase == "exited" or (state.pid is not None and last == str(state.pid))


def _name(address: str | None, bindings: str | None) -> str:
    its_own = () if address is None else (hashlib.sha256(address.encode()).hexdigest()[:8],)
    return ".".join((_NAME, *its_own, *(() if bindings is None else (bindings,))))


def handed_on() -> dict[str, str]:
    """Return the variables that a program which goes on without this one needs."""
    return {key: value for key, value in os.environ.items() if key in _HANDED_ON}


def _guard(folder: Path, name: str, uri: str, bindings: str | None, address: str | None) -> Program:
    module = () if bindings is None else ("--module", bindings)
    door = str(folder / f"{name}.door")
    argv = (sys.executable, "-P", "-m", "fairdeploy.guard", uri, "--door", door, *module)
    env = handed_on()
    variables = []
    if address is not None:
        env |= {key: value for key, value in os.environ.items() if key in _OF_POSTGRES}
        variables = _variables(address)
    if variables:
        argv, env = _by_spec(folder, name, argv, env, variables), {}
    return Program(
        name=name,
        argv=argv,
        cwd=str(folder),
        log=str(folder / f"{name}.log"),
        env=env,
        log_bytes=1_000_000,
        stop_grace_ms=_GRACE_MS,
        restart="on-failure",
    )


def _variables(journal: str) -> list[SecretRef]:
    from fairdeploy.journal.opening import secrets_of  # noqa: PLC0415 -- only where a journal is given

    return [each for each in secrets_of(journal, os.environ) if each.source == "env"]


def _by_spec(
    folder: Path, name: str, argv: tuple[str, ...], env: Mapping[str, str], variables: Sequence[SecretRef]
) -> tuple[str, ...]:
    """Return how to start it with secrets that only a private file holds: what the keeper writes has none."""
    values = folder / f"{name}.secrets.json"
    _files.write_text(values, Hidden(json.dumps({each.key: each.resolve() for each in variables})))
    spec = folder / f"{name}.json"
    whole: dict[str, JSON] = {
        "argv": list(argv),
        "cwd": str(folder),
        "env": {**_program.minimum(), **env},
        "secrets": {each.key: {"path": str(values), "key": each.key} for each in variables},
    }
    _files.write_json(spec, whole)
    return _program.launching(str(spec))

"""Keeps processes by systemd: for machines where it runs."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, final

import anyio

from fairdeploy.errors import BackendError, StartError
from fairdeploy.host import _files, _lock, _process, _program
from fairdeploy.host._together import together
from fairdeploy.host.launch import boot_id
from fairdeploy.protocols.keeper import ProgramState

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from fairdeploy.model.canonical import JSON
    from fairdeploy.protocols.keeper import Program

__all__ = ["SystemdKeeper", "runs"]

_PHASES: Mapping[str, Literal["running", "backoff", "stopping", "exited"]] = {
    "active": "running",
    "activating": "running",
    "reloading": "running",
    "deactivating": "stopping",
}
_BETWEEN: Mapping[str, Literal["backoff", "exited"]] = {
    "auto-restart": "backoff",
    "auto-restart-queued": "backoff",
    "exited": "exited",
}
_PLUS = "\\x2b"
_ASKED = "Id,ActiveState,SubState,MainPID,ExecMainCode,ExecMainStatus,NRestarts"
_GRACE = re.compile(r"TimeoutStopSec=(\d+)ms")
_GROWING_SINCE = 254
_EXITED = 1
_NOT_LOADED = 5


@final
class SystemdKeeper:
    """Keeps programs of one folder as transient units of systemd, named with a hash of the folder.

    A failing program is started again after 0.1 s, then with pauses that grow to 10 s (systemd before 254:
    always 1 s), without end. Transient units end with the machine: the first call after a reboot starts
    again what was kept. Units of a user end when the user logs out, unless lingering is enabled.

    Args:
        folder: Where it keeps its files. Made if missing, private to this user.
        user: The user's manager rather than the system's; ``None``: unless this is root.
        deadline_ms: How long to wait for systemd, besides the grace of a program that is stopped.

    Raises:
        StateError: If the folder cannot be used.
    """

    def __init__(self, folder: Path | str, *, user: bool | None = None, deadline_ms: int = 30_000) -> None:
        self._folder = _files.private_folder(Path(folder).absolute()).resolve()
        self._programs = _files.private_folder(self._folder / "units")
        self._scope = ("--user",) if (os.geteuid() != 0 if user is None else user) else ("--system",)
        self._seconds = deadline_ms / 1000
        self._mark = hashlib.sha256(f"{os.geteuid()}:{self._folder}".encode()).hexdigest()[:12]
        self._prefix = f"fairdeploy-{self._mark}-"

    async def start(self, program: Program) -> None:
        """Start and keep a program. One of the same name that is kept already is left as it is.

        Raises:
            StartError: If systemd refuses it.
            BackendError: If systemd does not answer.
        """
        _program.check(program)
        async with _lock.held(self._folder / "lock", seconds=self._seconds):
            await self._revive()
            if program.name in await self._seen():
                return
            properties = await self._properties(program)
            _files.private_folder(self._programs)
            try:
                _files.make_folder(Path(program.log).parent)
            except OSError as error:
                raise StartError(
                    f"log of program {program.name!r} cannot be written ({error.strerror})"
                ) from error
            spec: dict[str, JSON] = {
                "argv": list(program.argv),
                "cwd": program.cwd,
                "env": {**_program.minimum(), _process.MARK: self._mark, **program.env},
                "log": program.log,
                "log_bytes": program.log_bytes,
                "properties": list(properties),
            }
            _files.write_json(self._spec(program.name), spec)
            await self._run_unit(program.name, properties)

    async def stop(self, name: str) -> None:
        """Stop a program (signal, grace, SIGKILL) and forget it. Returns when it is gone.

        Raises:
            BackendError: If systemd does not answer.
        """
        spec = _files.read_json(self._spec(name)) or {}
        _files.remove_files([self._spec(name)])
        found = _GRACE.search(" ".join(cast("list[str]", spec.get("properties", []))))
        grace = int(found[1]) / 1000 if found else 0.0
        ran = await self._call("systemctl", "stop", self._unit(name), seconds=self._seconds + grace)
        if ran.returncode not in {0, _NOT_LOADED}:
            raise BackendError(f"program {name!r} was not stopped by systemd: {_words(ran)}")
        await self._call("systemctl", "reset-failed", self._unit(name))  # fails if it did not fail

    async def states(self) -> Mapping[str, ProgramState]:
        """Return every program that is kept.

        Raises:
            BackendError: If systemd does not answer.
        """
        if not self._current():
            async with _lock.held(self._folder / "lock", seconds=self._seconds):
                await self._revive()
        return await self._seen()

    async def shutdown(self) -> None:
        """Stop every program and forget it.

        Raises:
            BackendError: If systemd does not answer.
        """
        await together([partial(self.stop, name) for name in await self._seen()])

    async def _seen(self) -> dict[str, ProgramState]:
        ran = await self._call("systemctl", "show", f"{self._prefix}*.service", f"--property={_ASKED}")
        if ran.returncode != 0:
            raise BackendError(f"systemd does not tell its units: {_words(ran)}")
        return _states_of(ran.stdout, self._prefix)

    def _current(self) -> bool:
        known = _files.read_json(self._folder / "boot.json")
        return known is None or known.get("boot") == boot_id()

    async def _revive(self) -> None:
        """After a reboot, start again what was kept, from its files; under the lock."""
        if not self._current():
            for path in sorted(self._programs.glob("[!.]*.json")):
                spec = _files.read_json(path) or {}
                await self._run_unit(path.stem, tuple(cast("list[str]", spec["properties"])))
        _files.write_json(self._folder / "boot.json", {"boot": boot_id()})

    async def _run_unit(self, name: str, properties: tuple[str, ...]) -> None:
        options = [f"--property={each}" for each in properties]
        argv = _program.launching(str(self._spec(name)))
        plain = [word.replace("$", "$$") for word in argv]  # systemd puts variables in; '%' it leaves alone
        ran = await self._call("systemd-run", "--quiet", f"--unit={self._unit(name)}", *options, "--", *plain)
        if ran.returncode != 0:
            _files.remove_files([self._spec(name)])
            raise StartError(f"program {name!r} was refused by systemd: {_words(ran)}")

    async def _properties(self, program: Program) -> tuple[str, ...]:
        kept: tuple[str, ...] = ("RemainAfterExit=yes",)
        if program.restart:
            pauses: tuple[str, ...] = ("RestartSec=1s",)
            if await self._version() >= _GROWING_SINCE:
                pauses = ("RestartSec=100ms", "RestartSteps=6", "RestartMaxDelaySec=10s")
            kept = ("Restart=always",)
            if program.restart == "on-failure":
                kept = ("Restart=on-failure", "RemainAfterExit=yes")
            kept = (*kept, "StartLimitIntervalSec=0", *pauses)
        return (
            *kept,
            "Type=exec",
            f"KillSignal={program.stop_signal}",
            f"TimeoutStopSec={program.stop_grace_ms}ms",
        )

    async def _version(self) -> int:
        found = re.match(rb"systemd (\d+)", (await self._call("systemctl", "--version")).stdout)
        return int(found[1]) if found else 0

    def _spec(self, name: str) -> Path:
        return self._programs / f"{name}.json"

    def _unit(self, name: str) -> str:
        """Return a unit name: '@' would make it an instance of a template, '+' is not allowed in one."""
        return f"{self._prefix}{name.replace('@', ':').replace('+', _PLUS)}.service"

    async def _call(
        self, program: str, *arguments: str, seconds: float | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            with anyio.fail_after(self._seconds if seconds is None else seconds):
                return await anyio.run_process([program, *self._scope, *arguments], check=False)
        except TimeoutError as error:
            raise BackendError(
                f"{program} {arguments[0]!r} has not ended in time: see 'systemctl list-jobs'"
            ) from error
        except OSError as error:
            raise BackendError(
                f"{program!r} cannot be run ({error.strerror}): is systemd installed?"
            ) from error


def runs(*, user: bool) -> bool:
    """Whether systemd keeps what is given to it: for a user, also after the last logout."""
    if not Path("/run/systemd/system").is_dir():
        return False
    return not user or (Path("/var/lib/systemd/linger") / pwd.getpwuid(os.geteuid()).pw_name).exists()


def _states_of(told: bytes, prefix: str) -> dict[str, ProgramState]:
    """Return the units that ``systemctl show`` has told of.

    Raises:
        BackendError: If that cannot be read.
    """
    try:
        found = [_state(block, prefix) for block in told.decode().split("\n\n") if block.strip()]
    except (KeyError, ValueError) as error:
        raise BackendError(
            f"systemd's units cannot be read ({type(error).__name__}): see 'systemctl show {prefix}*'"
        ) from error
    return {state.name: state for state in found}


def _state(block: str, prefix: str) -> ProgramState:
    told = {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}
    name = told["Id"].removeprefix(prefix).removesuffix(".service").replace(":", "@").replace(_PLUS, "+")
    phase = _PHASES.get(told["ActiveState"], "exited")
    if told["SubState"] in _BETWEEN:
        phase = _BETWEEN[told["SubState"]]
    code, status = int(told["ExecMainCode"]), int(told["ExecMainStatus"])
    ended = None if code == 0 else status if code == _EXITED else -status
    return ProgramState(
        name=name,
        phase=phase,
        pid=int(told["MainPID"]) or None,
        exit_code=ended,
        restarts=int(told["NRestarts"]),
    )


def _words(ran: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(ran.stderr.decode(errors="replace").split()) or f"exit status {ran.returncode}"

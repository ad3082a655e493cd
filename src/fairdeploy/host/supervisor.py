"""Keeps processes by supervisor, from PyPI: for machines and containers where systemd does not run."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import xmlrpc.client
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, final

import anyio
import anyio.to_thread

from fairdeploy.errors import BackendError, MissingDependency, StartError, StateError
from fairdeploy.host import _files, _home, _ini, _lock, _process, _program, _rpc
from fairdeploy.protocols.keeper import ProgramState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairdeploy.protocols.keeper import Program

__all__ = ["SupervisorKeeper"]

_EXITED = re.compile(r" exited: (\S+) \((?:exit status (\d+)|terminated by (\w+))")
_PHASES: Mapping[str, Literal["running", "backoff", "stopping", "exited"]] = {
    "STARTING": "running",
    "RUNNING": "running",
    "BACKOFF": "backoff",
    "STOPPING": "stopping",
}
_PAUSE = 0.02
_UNKNOWN_EXIT = -1000
_ROW = {"name": str, "state": str, "pid": int, "exit": int, "starts": int}


@final
class SupervisorKeeper:
    """Keeps programs of one folder by a supervisord of its own.

    Nothing is done before the first call; the first that needs supervisord starts it, detached. Any
    later keeper of the same folder, in any process, finds the same. If supervisord was killed, its
    orphans are ended before a new one starts, so that no program runs twice.

    A program that exits within five seconds is started again at once, then after 1, 2, 4, 8 and at most 10
    seconds, without end; one that has run for longer, at once. Programs have a process group each, in the session of supervisord.

    Args:
        folder: Where it keeps its files. Made if missing, private to this user.
        deadline_ms: How long to wait for an answer of supervisord, or for another process to start it.

    Raises:
        MissingDependency: If supervisor is not installed.
        StateError: If the folder cannot be used.
    """

    def __init__(self, folder: Path | str, *, deadline_ms: int = 10_000) -> None:
        if importlib.util.find_spec("supervisor") is None:
            raise MissingDependency(
                "SupervisorKeeper needs 'supervisor', which is not installed: pip install 'fairdeploy[local]'"
            )
        self._home = _home.Home.of(Path(folder).absolute())
        self._seconds = deadline_ms / 1000
        for name in ("conf.d", "programs"):
            _files.private_folder(self._home.folder / name)

    async def start(self, program: Program) -> None:
        """Start and keep a program. One of the same name that is kept already is left as it is.

        Raises:
            StartError: If it cannot be kept: its name, working directory or log is unusable.
            BackendError: If supervisord does not answer.
        """
        _program.check(program)
        await self._call("supervisor.getPID")
        if not self._conf(program.name).exists():
            self._write(program)
        try:
            await self._call("supervisor.reloadConfig")
            await self._call("supervisor.addProcessGroup", program.name)
        except _rpc.Refusal as refusal:
            if refusal.fault == "ALREADY_ADDED":
                return
            raise StartError(
                f"program {program.name!r} was refused by supervisord: {refusal.fault}"
            ) from refusal
        try:
            await self._call("supervisor.startProcess", program.name, False)  # noqa: FBT003 -- do not wait
        except _rpc.Refusal as refusal:
            if refusal.fault not in {"ALREADY_STARTED", "SPAWN_ERROR"}:
                raise StartError(f"program {program.name!r} was not started: {refusal.fault}") from refusal

    async def stop(self, name: str) -> None:
        """Stop a program (signal, grace, SIGKILL to its group) and forget it. Returns when it is gone.

        Raises:
            BackendError: If supervisord does not answer.
        """
        self._conf(name).unlink(missing_ok=True)  # first: a supervisord started anew must not bring it back
        if await self._running() is None and not _process.marked(self._home.mark):
            return
        pid = 0
        while True:
            found = (await self._table()).get(name)
            if found is None:
                break
            pid = int(found["pid"]) or pid
            if await self._removed(name, found):
                break
            await anyio.sleep(_PAUSE)  # supervisord has no answer that could be awaited
        if pid:
            await anyio.to_thread.run_sync(partial(_process.kill_marked, self._home.mark, group=pid))
        (self._home.folder / "programs" / f"{name}.json").unlink(missing_ok=True)

    async def states(self) -> Mapping[str, ProgramState]:
        """Return every program that is kept.

        Raises:
            BackendError: If supervisord does not answer.
        """
        if not any((self._home.folder / "conf.d").iterdir()) and await self._running() is None:
            return {}
        table = await self._table()
        exits = self._exits() if any(_restarted(row) for row in table.values()) else {}
        return {name: _state(name, row, exits.get(name)) for name, row in table.items()}

    async def shutdown(self) -> None:
        """Stop every program, and supervisord itself. Nothing is forgotten: the next call starts all of it again.

        Raises:
            BackendError: If it has not ended after the longest grace and the deadline.
        """
        async with _lock.held(self._home.folder / "lock", seconds=self._seconds):
            pid = await self._running()
            identity = _process.Identity.of(pid) if pid else None
            if identity is not None:
                await self._ask("supervisor.shutdown")
                while identity.alive:  # noqa: ASYNC110 -- it is no child of ours: nothing tells when it ends
                    await anyio.sleep(_PAUSE)
            await anyio.to_thread.run_sync(partial(_process.kill_marked, self._home.mark))

    async def _removed(self, name: str, row: Mapping[str, str | int]) -> bool:
        try:
            if row["state"] in {"RUNNING", "STARTING", "BACKOFF"}:
                await self._call("supervisor.stopProcess", name, False)  # noqa: FBT003 -- do not wait
            elif row["state"] != "STOPPING":
                await self._call("supervisor.removeProcessGroup", name)
                await self._call("fairdeploy.forget", name)
                return True
        except _rpc.Refusal as refusal:
            if refusal.fault not in {"NOT_RUNNING", "STILL_RUNNING", "BAD_NAME"}:
                raise
        return False

    async def _table(self) -> dict[str, dict[str, str | int]]:
        return _table_of(await self._call("fairdeploy.states"))

    def _exits(self) -> dict[str, int]:
        """Read from supervisord's own log how programs ended: its answers forget that on a quick exit."""
        log = self._home.folder / "supervisord.log"
        text = "".join(
            path.read_text(encoding="utf-8", errors="replace")[-200_000:]
            for path in (log.with_name("supervisord.log.1"), log)
            if path.exists()
        )
        found = _EXITED.findall(text)
        return {name: int(code) if code else -int(signal.Signals[killer]) for name, code, killer in found}

    def _conf(self, name: str) -> Path:
        return self._home.folder / "conf.d" / f"{name}.conf"

    def _write(self, program: Program) -> None:
        home, log = self._home, Path(program.log)
        argv, env = program.argv, program.env
        if not all(map(_ini.plain, (*argv, *env.values()))):
            spec = home.folder / "programs" / f"{program.name}.json"
            _files.write_json(
                spec, {"argv": list(argv), "cwd": program.cwd, "env": {**_program.minimum(), **env}}
            )
            argv, env = _program.launching(f"{home.path}/programs/{spec.name}", home.plain), {}
        try:
            _files.make_folder(log.parent)
        except OSError as error:
            raise StartError(f"log folder {str(log.parent)!r} cannot be made ({error.strerror})") from error
        each = replace(program, argv=argv, env=env)
        text = _ini.program(each, home.plain(Path(program.cwd)), f"{home.plain(log.parent)}/{log.name}")
        _files.write_text(self._conf(program.name), text)

    async def _call(self, method: str, *arguments: str | int | bool) -> _rpc.Answer:
        """Call supervisord, starting it first if nobody listens."""
        for _ in range(3):
            try:
                return await self._ask(method, *arguments)
            except _rpc.UNREACHABLE:
                await self._revive()
        raise BackendError(
            f"supervisord of {str(self._home.folder)!r} ends as soon as it starts: read supervisord.log"
        )

    async def _ask(self, method: str, *arguments: str | int | bool) -> _rpc.Answer:
        work = partial(_rpc.call, self._home.socket, method, *arguments, seconds=self._seconds)
        try:
            return await anyio.to_thread.run_sync(
                cast("Callable[[], _rpc.Answer]", work), abandon_on_cancel=True
            )
        except xmlrpc.client.Fault as error:
            raise _rpc.Refusal(error.faultString.partition(":")[0]) from error
        except _rpc.UNREACHABLE:
            raise  # for the callers here: it means that nobody listens
        except (OSError, *_rpc.BROKEN) as error:
            raise BackendError(
                f"supervisord of {str(self._home.folder)!r} does not answer ({type(error).__name__}): is it stopped?"
            ) from error

    async def _running(self) -> int | None:
        """Return the pid of a supervisord that answers, or ``None``."""
        try:
            return cast("int", await self._ask("supervisor.getPID"))
        except _rpc.UNREACHABLE:
            return None

    async def _revive(self) -> None:
        """Start supervisord, unless another process has just done so; end what a killed one has left over."""
        async with _lock.held(self._home.folder / "lock", seconds=self._seconds):
            if await self._running() is not None:
                return
            await anyio.to_thread.run_sync(partial(_process.kill_marked, self._home.mark))
            await anyio.to_thread.run_sync(self._spawn)
            with anyio.move_on_after(self._seconds):
                while await self._running() is None:  # noqa: ASYNC110 -- it tells nobody when it listens
                    await anyio.sleep(_PAUSE)
                return
            raise BackendError(
                f"supervisord of {str(self._home.folder)!r} does not listen: read supervisord.log there"
            )

    def _spawn(self) -> None:
        home = self._home
        config = home.folder / "supervisord.conf"
        _files.write_text(config, _ini.daemon(home.path, home.socket))
        # It becomes a daemon by itself: its own session, no child of this process.
        argv = [sys.executable, "-P", str(Path(__file__).with_name("_daemon.py")), "-c", str(config)]
        env = {**_program.minimum(), _process.MARK: home.mark}
        if "PYTHONPATH" in os.environ:
            env["PYTHONPATH"] = os.environ["PYTHONPATH"]
        try:
            ran = subprocess.run(
                argv,
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
                umask=0o077,  # its log is opened before its configuration is read
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StateError(
                f"supervisord cannot be started in {str(home.folder)!r} ({type(error).__name__})"
            ) from error
        if ran.returncode != 0:
            words = (ran.stderr or ran.stdout).strip().splitlines()[-3:]
            raise StateError(f"supervisord cannot be started in {str(home.folder)!r}: {' '.join(words)}")


def _table_of(answer: object) -> dict[str, dict[str, str | int]]:
    """Return what supervisord says of each program, by name.

    Raises:
        BackendError: If it is not what `_daemon` answers.
    """
    rows: list[Any] = answer if isinstance(answer, list) else [answer]  # Any: found out here
    if any(not isinstance(row, dict) or {key: type(row.get(key)) for key in _ROW} != _ROW for row in rows):
        raise BackendError("supervisord's table cannot be read: is it another program that answers there?")
    return {row["name"]: row for row in rows}


def _restarted(row: Mapping[str, str | int]) -> bool:
    return row["state"] == "BACKOFF" or int(row["starts"]) > 1


def _state(name: str, row: Mapping[str, str | int], last_exit: int | None) -> ProgramState:
    told = int(row["exit"])
    return ProgramState(
        name=name,
        phase=_PHASES.get(str(row["state"]), "exited"),
        pid=int(row["pid"]) or None,
        exit_code=last_exit if told == _UNKNOWN_EXIT else told,
        restarts=max(int(row["starts"]) - 1, 0),
    )

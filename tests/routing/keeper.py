"""A keeper for tests: real processes, restarted at once, in this program's lifetime only."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, final

import anyio
import anyio.abc

from fairdeploy.protocols import Keeper, Program, ProgramState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["TaskKeeper", "kept"]

_GRACE = 60
"""Seconds for a program that was told to stop; then it is killed: none is left for later tests to stumble over."""


@final
class TaskKeeper:
    """Keeps each program in a task of its own."""

    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self._group = group
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._gone: dict[str, anyio.Event] = {}
        self._states: dict[str, ProgramState] = {}

    async def start(self, program: Program) -> None:
        """Start a program unless it is kept."""
        if program.name not in self._scopes:
            self._scopes[program.name] = anyio.CancelScope()
            self._gone[program.name] = anyio.Event()
            await self._group.start(self._keep, program)

    async def stop(self, name: str) -> None:
        """Stop a program and wait until it is gone."""
        if scope := self._scopes.get(name):
            scope.cancel()
            await self._gone[name].wait()

    async def states(self) -> Mapping[str, ProgramState]:
        """Return what is kept."""
        return dict(self._states)

    async def shutdown(self) -> None:
        """Stop everything."""
        for name in list(self._scopes):
            await self.stop(name)

    async def _keep(self, program: Program, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        restarts = 0
        with self._scopes[program.name]:
            while restarts == 0 or program.restart:
                await self._once(program, restarts, task_status)
                restarts += 1
                await anyio.sleep(0.05)
        del self._scopes[program.name], self._states[program.name]
        self._gone.pop(program.name).set()

    async def _once(self, program: Program, restarts: int, status: anyio.abc.TaskStatus[None]) -> None:
        try:
            with Path(program.log).open("ab") as log:  # noqa: ASYNC230 -- it is handed to the process, not read here
                process = await anyio.open_process(
                    program.argv, cwd=program.cwd, env=program.env, stdin=DEVNULL, stdout=log, stderr=log
                )
        except FileNotFoundError:
            self._states[program.name] = ProgramState(name=program.name, phase="backoff", restarts=restarts)
            return
        self._states[program.name] = ProgramState(
            name=program.name, phase="running", pid=process.pid, restarts=restarts
        )
        if restarts == 0:
            status.started()
        try:
            await process.wait()
        finally:
            for end in (process.terminate, process.kill):
                if process.returncode is None:
                    end()
                    with anyio.move_on_after(_GRACE, shield=True):
                        await process.wait()


@asynccontextmanager
async def kept() -> AsyncIterator[TaskKeeper]:
    """Give a keeper, and stop what it keeps at the end."""
    async with anyio.create_task_group() as group:
        keeper = TaskKeeper(group)
        checked: Keeper = keeper
        assert checked is keeper
        try:
            yield keeper
        finally:
            with anyio.CancelScope(shield=True):
                await keeper.shutdown()

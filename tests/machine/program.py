"""A program that deploys: one that can be stopped, go on, and die at any boundary."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import anyio

from fairdeploy.engine import Deployer
from fairdeploy.errors import FairdeployError
from fairdeploy.testing.simulation import SimulatedBackend

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from fairdeploy.protocols import HealthCheck, Journal
    from fairdeploy.testing.simulation import World

__all__ = ["Died", "Program"]


class Died(BaseException):
    """The program is dead. Nobody in it may catch this."""


class _Gated:
    """A thing that a program calls, through its gate: before each call and after it."""

    def __init__(self, inner: object, program: Program, parts: Mapping[str, object] | None = None) -> None:
        self._inner = inner
        self._program = program
        self._parts = parts or {}

    def __getattr__(self, name: str) -> object:
        if name in self._parts:
            return self._parts[name]
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: object, **kwargs: object) -> object:
            await self._program.gate()
            answer: object = await found(*args, **kwargs)
            await self._program.gate()
            return answer

        setattr(self, name, call)
        return call


class Program:
    """One process of a deployer.

    Attributes:
        name: For traces.
        dead: Whether it makes no call any more.
        dies_in: How many boundaries it still passes, if it is to die.
        stops_in: How many boundaries it still passes, if it is to be stopped.
        trouble: What it ended by that no caller expects.
    """

    def __init__(
        self,
        name: str,
        world: World,
        journal: Journal,
        checks: Mapping[str, HealthCheck],
        *,
        lease: float,
    ) -> None:
        self.name = name
        self.dead = False
        self.dies_in: int | None = None
        self.stops_in: int | None = None
        self.trouble: BaseException | None = None
        self.task: asyncio.Task[None] | None = None
        self._stopped: anyio.Event | None = None
        inner = SimulatedBackend(world, journal=journal)
        parts = {"router": _Gated(inner.router, self), "journal": _Gated(journal, self)}
        backend: Any = _Gated(inner, self, parts)  # by delegation
        self.deployer = Deployer(backend, checks=checks, clock=world.clock, lease=lease)

    async def gate(self) -> None:
        """Pass a boundary, stand still there, or die."""
        if self.dies_in is not None:
            self.dies_in -= 1
            self.dead = self.dead or self.dies_in < 0
        if self.stops_in is not None:
            self.stops_in -= 1
            if self.stops_in < 0:
                self.stops_in = None
                self.stop()
        while self._stopped is not None:
            await self._stopped.wait()
        if self.dead:
            raise Died

    async def run(self, deed: Callable[[Deployer], Awaitable[object]]) -> None:
        """Do something, until it is done or the program dies."""
        try:
            await deed(self.deployer)
        except* (Died, FairdeployError):
            pass
        except* BaseException as group:  # noqa: BLE001 -- whatever else it is, it is told at the next check
            self.trouble = group

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.task is not None and not self.task.done()

    @property
    def stopped(self) -> bool:
        """Whether it stands still."""
        return self._stopped is not None

    def stop(self) -> None:
        """SIGSTOP: it stands still at its next boundary."""
        self._stopped = self._stopped or anyio.Event()

    def go_on(self) -> None:
        """SIGCONT."""
        if self._stopped is not None:
            gate, self._stopped = self._stopped, None
            gate.set()

    def kill(self) -> None:
        """SIGKILL."""
        self.dead = True
        self.go_on()

"""Whether containers are ready: asked by us, every 50 to 100 ms, for Docker's own check asks every 30 s."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, final

import anyio

from fairdeploy.backends.compose._cli import program
from fairdeploy.host import _asking, _prober
from fairdeploy.model import CommandProbe, HTTPProbe, TCPProbe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from fairdeploy.backends.compose._container import Container
    from fairdeploy.host._asking import AnyProbe

__all__ = ["Asked", "Readiness", "Standing", "ask"]

_PATIENCE: Final = 0.1
"""Seconds that a look waits for answers. A later look finds what came after."""
_PORT_OPENS: Final = TCPProbe(interval_ms=50)
"""How a container without a probe is asked."""
_CANNOT_RUN: Final = (126, 127)
"""How `docker exec` ends where there is no such program."""
_Process: TypeAlias = tuple[str, str]
"""A container and when its process was started: one that is started again begins anew, at a new address."""


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """A container that runs.

    Args:
        container: As the engine shows it.
        address: Where it listens; ``None``: nowhere.
        probe: How it is asked; ``None``: by its port, or by what Docker's check says.
        checked: Whether Docker has a check.
    """

    container: Container
    address: tuple[str, int] | None
    probe: AnyProbe | None
    checked: bool

    @property
    def process(self) -> _Process:
        """Which process of which container."""
        return self.container.id, self.container.started


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one process. Fields as in the local backend's.

    Args:
        ready: Whether it counts as ready.
        detail: Why not.
        successes: In a row.
        failures: In a row.
        due: When to ask again, by the monotonic clock.
    """

    ready: bool = False
    detail: str = "not asked yet"
    successes: int = 0
    failures: int = 0
    due: float = 0.0

    def after(self, probe: AnyProbe, why: str, now: float) -> Standing:
        """Return the standing after one more answer; an empty ``why`` is a success."""
        due = now + probe.interval_ms / 1000
        if not why:
            successes = self.successes + 1
            ready = self.ready or successes >= probe.successes
            return Standing(ready, "" if ready else "not yet ready often enough", successes, 0, due)
        failures = self.failures + 1
        ready = self.ready and failures < probe.failures
        return Standing(ready, "" if ready else why, 0, failures, due)


@final
class Readiness:
    """Asks containers, at most once per interval each, and waits for their answers for a moment only."""

    def __init__(self) -> None:
        self._known: dict[_Process, Standing] = {}
        self._asked: dict[_Process, tuple[AnyProbe, Future[str]]] = {}
        self._prober = _prober.Prober()

    async def look(self, running: Sequence[Asked]) -> Mapping[str, Standing]:
        """Ask every container that is due, and return how all of them stand, by id."""
        for each in running:
            self._begin(each)
        if self._asked:
            await self._prober.wait((answer for _, answer in self._asked.values()), _PATIENCE)
        for process, (probe, answer) in tuple(self._asked.items()):
            if answer.done():
                del self._asked[process]
                if process in self._known and not answer.cancelled():
                    self._known[process] = self._known[process].after(
                        probe, answer.result(), time.monotonic()
                    )
        return {each.container.id: self._known[each.process] for each in running}

    def forget(self, containers: Iterable[Container]) -> None:
        """Drop what is known of containers that are gone."""
        gone = {each.id for each in containers}
        self._known = {process: known for process, known in self._known.items() if process[0] not in gone}

    async def aclose(self) -> None:
        """Stop asking."""
        await self._prober.aclose()

    def _begin(self, each: Asked) -> None:
        known = self._known.setdefault(each.process, Standing())
        if each.probe is None and (each.checked or each.address is None):
            self._known[each.process] = _as_docker_says(each)
        elif each.process not in self._asked and time.monotonic() >= known.due:
            probe = each.probe or _PORT_OPENS
            self._asked[each.process] = probe, self._prober.ask(question(each, probe))


def _as_docker_says(each: Asked) -> Standing:
    ready = not each.checked or each.container.health == "healthy"
    return Standing(
        ready, "" if ready else f"Docker's health check says {each.container.health or 'nothing yet'}"
    )


def question(each: Asked, probe: AnyProbe) -> Callable[[], Awaitable[str]]:
    """Return what asks a container once."""
    return partial(ask, probe, each.container.id, each.address)


async def ask(probe: AnyProbe, container: str, address: tuple[str, int] | None) -> str:
    """Return why a container is not well, or an empty text if it is."""
    place = "no port" if address is None else f"{address[0]}:{address[1]}"
    with anyio.move_on_after(probe.timeout_ms / 1000):
        try:
            match probe:
                case CommandProbe(command=command):
                    return await _command(container, command)
                case _ if address is None:
                    return "nothing says where it listens"
                case HTTPProbe():
                    return await _asking.http(probe, place, partial(anyio.connect_tcp, *address))
                case TCPProbe():
                    await (await anyio.connect_tcp(*address)).aclose()
                    return ""
        except OSError as error:
            return f"{place}: {error.strerror or 'no connection'}"
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return f"{place}: connection lost"
    return f"no answer in {probe.timeout_ms} ms"


async def _command(container: str, command: Sequence[str]) -> str:
    """Run a command in a container."""
    argv = [program(), "exec", container, *command]
    quiet = subprocess.DEVNULL
    ran = await anyio.run_process(argv, check=False, stdin=quiet, stdout=quiet, stderr=quiet)
    if ran.returncode in _CANNOT_RUN:
        return f"{command[0]}: cannot be run in the container (exit status {ran.returncode}): is it in the image?"
    return "" if ran.returncode == 0 else f"{command[0]}: exit status {ran.returncode}"

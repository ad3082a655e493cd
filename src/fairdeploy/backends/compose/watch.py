"""Looks after what is promoted while nobody deploys: ``python -m fairdeploy.backends.compose.watch URI``.

A container that its restart policy starts again, or that comes back with the machine, may have another address: the
router is told. One that fails its liveness probe ``failures`` times in a row is restarted.
"""

from __future__ import annotations

import logging
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final, final

import anyio
from anyio import to_thread

from fairdeploy.backends.compose import _opening, _parts, _watching
from fairdeploy.backends.compose._engine import Engine
from fairdeploy.backends.compose._hearing import Hearing
from fairdeploy.backends.compose._readiness import ask
from fairdeploy.backends.compose._site import Site
from fairdeploy.errors import FairdeployError

if TYPE_CHECKING:
    from fairdeploy.backends.compose._readiness import Asked
    from fairdeploy.protocols import TrafficRouter

__all__ = ["main", "watch"]

_LOG = logging.getLogger("fairdeploy")
_PAUSE: Final = 0.5
"""Seconds between two looks, where the engine tells of nothing."""
_LEAST: Final = 0.05
"""Seconds between two looks, however much it tells: a container that starts in vain tells every time."""
_UNREACHABLE_PAUSE: Final = 2.0
_BEFORE_FIRST: Final = 60.0
"""Seconds that a process has for its first success, as with the local backend."""


@final
class _Pulse:
    """How one process answers its liveness probe."""

    def __init__(self) -> None:
        self.alive = False
        self.failures = 0
        self.due = 0.0
        self.since = time.monotonic()

    def heard(self, each: Asked, why: str) -> bool:
        """Take an answer; return whether the process is given up."""
        probe = each.probe
        if probe is None:
            return False
        self.due = time.monotonic() + probe.interval_ms / 1000
        if not why:
            if not self.alive:
                _LOG.info("%s answers and is being watched", each.container.name)
            self.alive, self.failures = True, 0
            return False
        patience = max(_BEFORE_FIRST, probe.initial_delay_ms / 1000)
        if not self.alive and time.monotonic() - self.since < patience:
            return False
        self.failures += 1
        return self.failures >= probe.failures


async def watch(uri: str) -> None:
    """Look after a home until cancelled. An engine that does not answer is waited for."""
    home, _ = _opening.given(uri)
    project = await to_thread.run_sync(_opening.claim, home, None, "")
    engine = Engine()
    site = Site(home, project, engine)
    router = _parts.routing(site, _parts.keeper(home))
    hearing = Hearing(engine, project.name)
    pulses: dict[tuple[str, str], _Pulse] = {}
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(hearing.follow)
            while True:
                pause = await _look(site, router, pulses)
                await anyio.sleep(_LEAST)
                await hearing.change(within=pause)
    finally:
        with anyio.CancelScope(shield=True):
            await engine.aclose()


async def _look(site: Site, router: TrafficRouter, pulses: dict[tuple[str, str], _Pulse]) -> float:
    """Look at everything once; return for how many seconds that is enough, if nothing changes."""
    try:
        for target in await to_thread.run_sync(_watching.targets, site):
            if await _watching.refresh(site, router, target):
                _LOG.warning("%s: containers have other addresses, and the router knows", target.id)
        await _watching.expire(site)
        running = await _watching.liveness(site)
    except FairdeployError as error:
        _LOG.warning("%s", error)
        return _UNREACHABLE_PAUSE
    for gone in pulses.keys() - {each.process for each in running}:
        del pulses[gone]
    async with anyio.create_task_group() as group:
        for each in running:
            pulse = pulses.setdefault(each.process, _Pulse())
            if time.monotonic() >= pulse.due:
                group.start_soon(_one, site, each, pulse)
    return _PAUSE


async def _one(site: Site, each: Asked, pulse: _Pulse) -> None:
    if each.probe is None:
        return
    why = await ask(each.probe, each.container.id, each.address)
    if pulse.heard(each, why):
        _LOG.warning("%s hangs and is restarted: %s", each.container.name, why)
        try:
            await site.engine.kill(each.container)
        except FairdeployError as error:
            _LOG.warning("%s", error)


def main(arguments: list[str]) -> int:
    """Run as a program."""
    if len(arguments) != 1:
        print("usage: python -m fairdeploy.backends.compose.watch URI", file=sys.stderr)  # noqa: T201 -- a program
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    anyio.run(partial(watch, arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

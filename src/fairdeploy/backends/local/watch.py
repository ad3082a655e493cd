"""Watches for instances that hang, when nobody of ours does: ``python -m fairdeploy.backends.local.watch <folder>``.

Kept by the same keeper as the instances. Asks every instance that has a liveness probe, and kills the
process group of one that fails; the keeper then starts it again.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

import anyio
import anyio.to_thread

from fairdeploy.backends.local import _ask, _scan, _watching
from fairdeploy.errors import StateError
from fairdeploy.host import _asking, _process

if TYPE_CHECKING:
    from fairdeploy.backends.local._scan import Found

__all__ = ["Watched", "main", "watch"]

_LOG = logging.getLogger("fairdeploy")
_STARTUP_MS = 60_000
_LOOK = 0.25


@final
@dataclass(frozen=True, slots=True)
class Watched:
    """How one process has answered.

    Args:
        since: When it was first seen, by the monotonic clock.
        due: When to ask again.
        alive: Whether it has ever answered well.
        failures: That count, in a row.
    """

    since: float
    due: float = 0.0
    alive: bool = False
    failures: int = 0

    def after(self, probe: _asking.AnyProbe, why: str, now: float) -> Watched:
        """Return what is known after one more answer. Failures before the first success count after a minute."""
        due = now + probe.interval_ms / 1000
        if not why:
            return Watched(self.since, due, alive=True)
        starting = not self.alive and now - self.since < max(probe.initial_delay_ms, _STARTUP_MS) / 1000
        early = now - self.since < probe.initial_delay_ms / 1000
        failures = self.failures if starting or early else self.failures + 1
        return Watched(self.since, due, self.alive, failures)


async def watch(folder: Path) -> None:
    """Watch until cancelled. Each instance is asked by a task of its own, so that one that hangs holds up no other."""
    known: dict[_process.Identity, Watched] = {}
    asking: set[_process.Identity] = set()
    async with anyio.create_task_group() as group:
        while True:
            found = {
                each.identity: each
                for each in await anyio.to_thread.run_sync(_instances, folder)
                if each.identity is not None
            }
            for gone in known.keys() - found.keys() - asking:
                del known[gone]
            for identity in found.keys() - asking:
                asking.add(identity)
                group.start_soon(_one, known, asking, identity, found[identity])
            await anyio.sleep(_LOOK)


async def _one(
    known: dict[_process.Identity, Watched],
    asking: set[_process.Identity],
    identity: _process.Identity,
    each: Found,
) -> None:
    try:
        probe, now = each.record.probes.liveness, time.monotonic()
        before = known.setdefault(identity, Watched(now))
        if probe is None or now < before.due or not identity.alive:
            return
        why = await _ask.ask(probe, each.record, each.port)
        known[identity] = after = before.after(probe, why, time.monotonic())
        if after.alive and not before.alive:
            _LOG.info("%s answers and is being watched", each.record.id)
        if after.failures >= probe.failures:
            _LOG.warning("%s hangs and is killed: %s", each.record.id, why)
            await anyio.to_thread.run_sync(_kill, identity)
    finally:
        asking.discard(identity)


def _kill(identity: _process.Identity) -> None:
    """Kill a process and its group: what its children still hold would keep the next one from starting."""
    if identity.kill():
        mark = os.environ.get(_process.MARK)
        if mark is not None:
            _process.kill_marked(mark, group=identity.pid)


def _instances(folder: Path) -> list[Found]:
    found: list[Found] = []
    for layout in _watching.layouts(folder):
        try:
            found += (each for each in _scan.scan(layout).instances if each.record.probes.liveness)
        except StateError as error:
            _LOG.warning("%s", error)  # the others are to be watched all the same
    return found


def main(arguments: list[str]) -> int:
    """Run as a program."""
    if len(arguments) != 1:
        print("usage: python -m fairdeploy.backends.local.watch FOLDER", file=sys.stderr)  # noqa: T201 -- a program
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    anyio.run(partial(watch, Path(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whether instances are ready: asked at their own pace, remembered between looks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final

from fairdeploy.backends.local import _ask
from fairdeploy.host import _asking, _prober
from fairdeploy.model import TCPProbe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from fairdeploy.backends.local._record import Record
    from fairdeploy.host._process import Identity
    from fairdeploy.model import InstanceId

__all__ = ["Readiness", "Running", "Standing"]

_PATIENCE = 0.1
"""Seconds that a look waits for answers. A later look finds what came after."""
_PORT_OPENS = TCPProbe(interval_ms=50)
"""How an instance without a readiness probe is asked."""


@final
@dataclass(frozen=True, slots=True)
class Running:
    """An instance whose process runs.

    Args:
        record: How it was started.
        port: The port it has now.
        identity: Its process.
    """

    record: Record
    port: int | None
    identity: Identity


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one process of one instance.

    Args:
        identity: Which process: another one begins anew.
        ready: Whether it counts as ready.
        detail: Why not.
        successes: In a row.
        failures: In a row.
        due: When to ask again, by the monotonic clock.
    """

    identity: Identity
    ready: bool = False
    detail: str = "not asked yet"
    successes: int = 0
    failures: int = 0
    due: float = 0.0

    def after(self, probe: _asking.AnyProbe, why: str, now: float) -> Standing:
        """Return the standing after one more answer; an empty ``why`` is a success."""
        due = now + probe.interval_ms / 1000
        if not why:
            successes = self.successes + 1
            ready = self.ready or successes >= probe.successes
            return Standing(
                self.identity, ready, "" if ready else "not yet ready often enough", successes, 0, due
            )
        failures = self.failures + 1
        ready = self.ready and failures < probe.failures
        return Standing(self.identity, ready, "" if ready else why, 0, failures, due)


@final
class Readiness:
    """Asks instances, at most once per interval each, and waits for their answers for a moment only."""

    def __init__(self) -> None:
        self._known: dict[InstanceId, Standing] = {}
        self._asked: dict[Identity, tuple[_asking.AnyProbe, Future[str]]] = {}
        self._prober = _prober.Prober()

    async def look(self, instances: Sequence[Running]) -> Mapping[InstanceId, Standing]:
        """Ask every instance that is due, and return how all of them stand."""
        for each in instances:
            self._begin(each)
        if self._asked:
            await self._prober.wait((answer for _, answer in self._asked.values()), _PATIENCE)
        for identity, (probe, answer) in tuple(self._asked.items()):
            if answer.done():
                del self._asked[identity]
                for name, known in self._known.items():
                    if known.identity == identity and not answer.cancelled():
                        self._known[name] = known.after(probe, answer.result(), time.monotonic())
        return {each.record.id: self._known[each.record.id] for each in instances}

    def forget(self, instance: InstanceId) -> None:
        """Drop what is known of an instance that is gone."""
        self._known.pop(instance, None)

    async def aclose(self) -> None:
        """Stop asking."""
        await self._prober.aclose()

    def _begin(self, each: Running) -> None:
        record = each.record
        known = self._known.get(record.id)
        if known is None or known.identity != each.identity:
            known = self._known[record.id] = Standing(each.identity)
        if record.probes.readiness is None and record.address(each.port) is None:
            self._known[record.id] = Standing(each.identity, ready=True, detail="")
        elif each.identity not in self._asked and time.monotonic() >= known.due:
            probe = record.probes.readiness or _PORT_OPENS
            self._asked[each.identity] = probe, self._prober.ask(partial(_ask.ask, probe, record, each.port))

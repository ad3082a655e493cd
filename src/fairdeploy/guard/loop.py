"""Looking again and again for what is left, until nothing is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import anyio

from fairdeploy.engine.desk import Desk
from fairdeploy.engine.holder import holder_is_dead, this_holder
from fairdeploy.engine.recoverer import end_windows, recover_one
from fairdeploy.errors import FairdeployError, RecordError
from fairdeploy.guard.door import Door
from fairdeploy.journal import SystemClock
from fairdeploy.model import Outcome

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from fairdeploy.model import RolloutId
    from fairdeploy.protocols import Backend, Clock, Database, HealthCheck, MetricSource, RolloutInfo

__all__ = ["recover_until_idle"]

_LOG = logging.getLogger("fairdeploy")
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
"""Seconds until a rollout whose recovery failed is tried again: doubled from the one to the other."""


async def recover_until_idle(
    backends: Sequence[Backend],
    *,
    checks: Mapping[str, HealthCheck] | None = None,
    sources: Mapping[str, MetricSource] | None = None,
    databases: Mapping[str, Database] | None = None,
    interval: float = 1.0,
    linger: float = 30.0,
    lease_ms: int = 15_000,
    door: Door | None = None,
    clock: Clock | None = None,
) -> None:
    """Recover what dead programs left and end what is over, until nothing has been open or due for a while.

    Cancel it to make it leave: the effect in hand is completed, nothing else is begun, and what it was
    recovering stays as it is for the next guard.

    Every rollout in the journal of a backend is taken to be on that backend, whatever name its deployer
    had for it. One that is on several is left to `Deployer.recover`.

    Args:
        backends: Where to look.
        checks: Callables by name, for plans that name them. Without one a rollout does not go forward, but back it does.
        sources: Of metrics by name, likewise.
        databases: By name. Without one the application goes back, and the rollout ends in need of attention.
        interval: Seconds between two looks.
        linger: Seconds without anything open or due after which it ends.
        lease_ms: Time to live of the leases that it takes.
        door: Shut while it takes its last look, and left shut.
        clock: Time; another one only in tests.
    """
    time = clock or SystemClock()
    way_out = door or Door(None)
    way_out.open()
    bound = dict(checks or {}), dict(sources or {}), dict(databases or {})
    names = ", ".join(sorted(name for each in bound for name in each)) or "none"
    _LOG.info("guarding %s; bindings: %s", ", ".join(each.uri for each in backends), names)
    rounds = [_Rounds(each, *bound, time, lease_ms) for each in backends]
    async with anyio.create_task_group() as tasks:

        async def look() -> bool:
            return any([await each.look(tasks) for each in rounds])

        last = time.monotonic()
        while True:
            if await look():
                last = time.monotonic()
            elif time.monotonic() - last >= linger and way_out.shut():
                if not await look():
                    break
                way_out.open()
            await anyio.sleep(interval)
    _LOG.info("nothing is open or due any more: leaving")


@final
@dataclass(slots=True)
class _Trouble:
    """A rollout whose recovery fails: told once, tried again."""

    said: str
    pause: float
    until: float


@final
@dataclass(slots=True)
class _Rounds:
    """One backend as the guard sees it."""

    backend: Backend
    checks: Mapping[str, HealthCheck]
    sources: Mapping[str, MetricSource]
    databases: Mapping[str, Database]
    clock: Clock
    lease_ms: int
    me: str = field(default_factory=this_holder)
    hands: dict[RolloutId, int] = field(default_factory=dict)
    troubles: dict[str, _Trouble] = field(default_factory=dict)

    async def look(self, tasks: TaskGroup) -> bool:
        """Begin what there is to do, each in a task of its own; return whether anything is open or due."""
        journal = self.backend.journal
        damaged: list[RecordError] = []
        try:
            infos = await journal.rollouts(unfinished=True, damaged=damaged)
        except FairdeployError as error:
            self._tell("", f"the journal of {self.backend.uri} cannot be read: {error}")
            return True
        self.troubles.pop("", None)
        for unread in damaged:
            self._tell(str(unread), f"{unread}: left alone, it needs attention")
        for info in infos:
            if self._waits(info) or self._on_several(info):
                continue
            if info.open and self._may_be_left(info):
                self.hands[info.id] = info.epoch
                tasks.start_soon(self._one, info, self._recover)
            elif any(due.at_ms <= self._now_ms() for due in info.windows) and info.id not in self.hands:
                self.hands[info.id] = info.epoch
                tasks.start_soon(self._one, info, self._end_windows)
        # What it cannot understand it need not wait for, nor a hold: it cannot do anything about it.
        return any(info.open or info.windows for info in infos) or bool(self.hands)

    def _may_be_left(self, info: RolloutInfo) -> bool:
        """Whether it is worth reading its events. What this guard is driving already is not."""
        if info.id in self.hands and (info.holder == self.me or info.epoch == self.hands[info.id]):
            return False
        return info.expires_ms <= self._now_ms() or holder_is_dead(info.holder)

    def _now_ms(self) -> int:
        return round(self.clock.wall() * 1000)

    def _waits(self, info: RolloutInfo) -> bool:
        trouble = self.troubles.get(info.id)
        return trouble is not None and self.clock.monotonic() < trouble.until

    def _on_several(self, info: RolloutInfo) -> bool:
        names = sorted({base.backend for base in info.plan.bases})
        if len(names) > 1:
            self._tell(
                info.id, f"rollout {info.id} is on several backends {names!r}: left to Deployer.recover()"
            )
        return len(names) > 1

    def _desk(self, info: RolloutInfo) -> Desk:
        """Return a desk that knows the backend by the name that the plan has for it."""
        return Desk(
            backends={base.backend: self.backend for base in info.plan.bases},
            checks=self.checks,
            sources=self.sources,
            databases=self.databases,
            clock=self.clock,
            ttl_ms=self.lease_ms,
        )

    async def _one(self, info: RolloutInfo, deed: Callable[[RolloutInfo], Awaitable[None]]) -> None:
        epoch = info.epoch
        try:
            await deed(info)
            self.troubles.pop(info.id, None)
        except FairdeployError as error:
            self._tell(info.id, f"rollout {info.id} ({_targets(info)}) cannot be recovered: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a foreign backend or check raises, the other
            # rollouts are to be recovered all the same
            what = f"rollout {info.id} ({_targets(info)}): unexpected {type(error).__name__}"
            self._tell(info.id, what, error)
        finally:
            if self.hands.get(info.id) == epoch:
                del self.hands[info.id]

    async def _recover(self, info: RolloutInfo) -> None:
        if not info.parked and info.id not in self.troubles:
            _LOG.warning(
                "rollout %s (%s): its holder is gone, %s", info.id, _targets(info), info.holder.split(" ")[0]
            )
        # Without patience: a trouble is told at once, and this loop tries again.
        result = await recover_one(self._desk(info), self.backend.journal, info, on_exit="leave", patience=0)
        if result is not None:
            level = logging.ERROR if result.outcome is Outcome.NEEDS_ATTENTION else logging.WARNING
            _LOG.log(level, "rollout %s (%s): %s: %s", info.id, _targets(info), result.outcome, result.reason)

    async def _end_windows(self, info: RolloutInfo) -> None:
        for due in await end_windows(self._desk(info), self.backend.journal, info, on_exit="leave"):
            _LOG.info("the warm window of %s (%s) is over", due.revision, due.target)

    def _tell(self, key: str, message: str, error: Exception | None = None) -> None:
        """Log a trouble, once, and wait longer before the next attempt; with the traceback of what is unexpected."""
        before = self.troubles.get(key)
        new = before is None or before.said != message
        pause = _FIRST_PAUSE if before is None else min(before.pause * 2, _LONGEST_PAUSE)
        self.troubles[key] = _Trouble(message, pause, self.clock.monotonic() + pause)
        if new:
            _LOG.error("%s", message, exc_info=error)


def _targets(info: RolloutInfo) -> str:
    return ", ".join(base.target.id for base in info.plan.bases)

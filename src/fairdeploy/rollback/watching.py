"""Watching what serves after its promotion, and going back from it if it fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, final

import anyio

from fairdeploy.engine.holds import hold_rollout, holds_of
from fairdeploy.engine.versions import ROLLBACK
from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.model import Ended, Outcome, _check
from fairdeploy.rollback.asking import checker_of, convicted

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.health import HealthChecker, HealthRule
    from fairdeploy.model import RevisionId, Target
    from fairdeploy.model.check import Asked
    from fairdeploy.protocols import Backend, HealthCheck, RolloutInfo
    from fairdeploy.rollback.managed import OnAhead
    from fairdeploy.rollback.manager import RollbackManager
    from fairdeploy.rollback.report import RollbackReport

__all__ = ["Watch"]

_LOG = logging.getLogger("fairdeploy")


@final
@dataclass(slots=True, kw_only=True)
class Watch:
    """What is being watched, and what was done about it. Made by `RollbackManager.watching`.

    Attributes:
        reports: Of the rollbacks that it made, oldest first.
        failing: How many looks in a row what serves has failed.
    """

    manager: RollbackManager
    target: Target
    place: Backend
    checker: HealthChecker
    every: float
    failures: int
    on_ahead: OnAhead
    reports: list[RollbackReport] = field(default_factory=list)
    failing: int = 0
    _revision: RevisionId | None = None
    _since: int = -1
    _trouble: str = ""
    _acted: anyio.Event = field(default_factory=anyio.Event)

    @classmethod
    def of(
        cls,
        manager: RollbackManager,
        desk: Desk,
        target: Target,
        place: Backend,
        checks: Mapping[str, Asked | HealthCheck | HealthRule] | None,
        *,
        every: float,
        failures: int,
        on_ahead: OnAhead,
    ) -> Self:
        """Return a watch that has not begun.

        Raises:
            InvalidInput: If there is nothing to ask, or a value is out of range.
        """
        every = _check.milliseconds(every, "every", low=10) / 1000
        _check.whole(failures, "failures", low=1, high=1_000)
        checker = checker_of(desk, place, target, checks)
        if checker is None:
            msg = (
                f"there is nothing to ask of {target.id!r}: watching(target, {{'api': HTTPCheck('/health')}})"
            )
            raise InvalidInput(msg)
        return cls(
            manager=manager,
            target=target,
            place=place,
            checker=checker,
            every=every,
            failures=failures,
            on_ahead=on_ahead,
        )

    async def acted(self) -> RollbackReport:
        """Wait until it has gone back, and return the last report."""
        await self._acted.wait()
        return self.reports[-1]

    async def keep(self) -> None:
        """Look again and again, until cancelled. A rollback that has begun is finished first."""
        while True:
            try:
                await self._look()
                self._trouble = ""
            except FairdeployError as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    _LOG.warning("watching %s: %s", self.target.id, error)
            await anyio.sleep(self.every)

    async def _look(self) -> None:
        await self._hold_what_went_back()
        status = await self.checker.check_deployment_health()
        stable = (await self.place.observe(self.target)).stable
        if stable != self._revision:
            self._revision, self.failing = stable, 0
        found = convicted(self.checker, status)
        self.failing = self.failing + 1 if found else 0
        if self.failing < self.failures or stable is None:
            return
        info = await self._responsible(stable)
        if info is None:
            return
        self.failing = 0
        with anyio.CancelScope(shield=True):  # bounded by the deadlines of the steps
            reason = f"failed {self.failures} looks in a row: {'; '.join(found)}"
            self.reports.append(
                await self.manager.automated_rollback(info.id, reason=reason, database=self.on_ahead)
            )
        self._acted.set()

    async def _responsible(self, stable: RevisionId) -> RolloutInfo | None:
        """Return the deployment that brought what serves, if it may be gone back from by itself."""
        journal = self.place.journal
        if await holds_of(journal, self.target.id):
            return None
        infos = await journal.rollouts(self.target.id)
        if any(info.open for info in infos):
            return None  # its own guards watch it
        for info in reversed(infos):
            if info.result is None or not info.result.promoted:
                continue
            if any(b.candidate == stable and b.target.id == self.target.id for b in info.plan.bases):
                return None if info.plan.strategy == ROLLBACK else info
        return None

    async def _hold_what_went_back(self) -> None:
        """Put the target on hold once a verdict has sent a rollout back."""
        journal = self.place.journal
        if self._since < 0:
            infos = await journal.rollouts(self.target.id)
            self._since = max((e.seq for e in await journal.read(infos[-1].id)), default=0) if infos else 0
        for event in await journal.read(None, since=self._since):
            self._since = event.seq
            record = event.record
            if not isinstance(record, Ended) or record.result.outcome is not Outcome.ROLLED_BACK:
                continue
            infos = await journal.rollouts(self.target.id)
            if any(info.id == event.rollout and info.plan.strategy != ROLLBACK for info in infos):
                await hold_rollout(journal, event.rollout, record.result.reason)

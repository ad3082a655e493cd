"""Figures of DORA from a journal: how often, how well, and how fast back. Pure.

Definitions: https://dora.dev/guides/dora-metrics-four-keys/. Lead time for changes is not among them: when a change was
committed, no journal of deployments knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Outcome

if TYPE_CHECKING:
    from fairdeploy.model import RolloutResult, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["DORA", "dora"]

_BACK: Final = "Rollback"
"""What the strategy of a rollback is called in its plan."""
_DAY_S: Final = 86_400
_FAILED: Final = {Outcome.ROLLED_BACK, Outcome.NEEDS_ATTENTION}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DORA:
    """What a journal says of a time.

    Args:
        deployments: Rollouts of a new revision that were promoted, or failed. Those that somebody stopped are neither.
        failures: Of these, the ones that were rolled back, by themselves or later by hand, or that need a person.
        per_day: Promoted deployments a day.
        change_failure_rate: Failures of deployments, 0 to 1; ``None`` without any.
        recovery_seconds: Median time from the begin of a failed deployment to the end of the way back: what
            users may have met a failure for, at the most. ``None`` if nothing failed, or nothing came back.
    """

    deployments: int
    failures: int
    per_day: float
    change_failure_rate: float | None
    recovery_seconds: float | None

    def __str__(self) -> str:
        """Return them in a line."""
        rate = "–" if self.change_failure_rate is None else f"{100 * self.change_failure_rate:.0f} %"
        back = "–" if self.recovery_seconds is None else f"{self.recovery_seconds:.0f} s"
        return f"{self.per_day:.2f} deployments a day, {rate} of {self.deployments} failed, back in {back}"


def dora(rollouts: Iterable[RolloutInfo], *, since: datetime, until: datetime) -> DORA:
    """Return the figures of the rollouts that ended in a time.

    Args:
        rollouts: As `Journal.rollouts` or `Deployer.history` returns them.
        since: From when, aware of its time zone.
        until: Until when.

    Raises:
        InvalidInput: If a date knows no time zone, or the time is empty.
    """
    if since.tzinfo is None or until.tzinfo is None or not since < until:
        raise InvalidInput(f"since must be before until, both with a time zone, not {since!r} and {until!r}")
    ended = sorted(
        ((info, info.result) for info in rollouts if info.result is not None),
        key=lambda each: each[1].ended_ms,
    )
    within = [
        (info, result)
        for info, result in ended
        if since.timestamp() <= result.ended_ms / 1000 < until.timestamp()
    ]
    deployed = [
        (info, result)
        for info, result in within
        if _brings(info) and (result.promoted or result.outcome in _FAILED)
    ]
    back = _taken_back(ended)
    failed = [(info, result) for info, result in deployed if not result.promoted or info.id in back]
    took = [
        (back.get(info.id, result.ended_ms) - info.began_ms) / 1000
        for info, result in failed
        if result.outcome is not Outcome.NEEDS_ATTENTION
    ]
    promoted = sum(result.promoted for _, result in deployed)
    return DORA(
        deployments=len(deployed),
        failures=len(failed),
        per_day=promoted * _DAY_S / (until - since).total_seconds(),
        change_failure_rate=len(failed) / len(deployed) if deployed else None,
        recovery_seconds=median(took) if took else None,
    )


def _brings(info: RolloutInfo) -> bool:
    new = any(base.candidate is not None and base.candidate != base.stable for base in info.plan.bases)
    return new and info.plan.strategy != _BACK


def _taken_back(ended: Iterable[tuple[RolloutInfo, RolloutResult]]) -> dict[str, int]:
    """Return when the promoted deployments were taken back that a later rollback of the same target undid."""
    last: dict[TargetId, str] = {}
    back: dict[str, int] = {}
    for info, result in ended:
        if not result.promoted:
            continue
        for base in info.plan.bases:
            if info.plan.strategy == _BACK and base.target.id in last:
                back[last.pop(base.target.id)] = result.ended_ms
            elif _brings(info):
                last[base.target.id] = info.id
    return back

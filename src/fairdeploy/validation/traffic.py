"""Which split the journal has left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairdeploy.model import Aspect, Finding, Outcome, Severity, Shift, Split

if TYPE_CHECKING:
    from fairdeploy.model import Plan, Target, TargetId
    from fairdeploy.protocols import RolloutInfo

__all__ = ["Left", "lease", "left_behind", "weights"]

Left = tuple[bool, Split | None]
"""Whether the journal tells, and the split."""


def left_behind(target: TargetId, infos: Sequence[RolloutInfo]) -> Left:
    """Return what split a target must have by its journal.

    A promoted rollout leaves its last `Shift`; one that went back leaves its base. An open one, and one that
    needs attention, leave what nobody can tell.

    Args:
        target: Which one.
        infos: Its rollouts, oldest first.
    """
    if not infos or infos[-1].result is None:
        return False, None
    last = infos[-1]
    match last.result.outcome if last.result else None:
        case Outcome.PROMOTED:
            return _last_shift(target, last.plan)
        case Outcome.ROLLED_BACK | Outcome.ABORTED | Outcome.SUPERSEDED:
            return True, last.plan.base(target).split
        case _:
            return False, None


def _last_shift(target: TargetId, plan: Plan) -> Left:
    shifts = [step.split for step in plan.steps if isinstance(step, Shift) and step.target == target]
    return True, shifts[-1] if shifts else plan.base(target).split


def weights(target: Target, infos: Sequence[RolloutInfo], live: Split | None) -> tuple[Finding, ...]:
    """Judge whether the router splits traffic as the journal has left it."""
    known, wanted = left_behind(target.id, infos)
    if not known:
        return ()
    same = live == wanted
    return (
        Finding(
            "weights",
            aspect=Aspect.CONFIGURATION,
            severity=Severity.WARNING,
            passed=same,
            message=f"traffic of {target.id!r} is as its last rollout left it"
            if same
            else f"traffic of {target.id!r} is {_said(live)!r}, and its last rollout left {_said(wanted)!r}: "
            "somebody has changed the router by hand",
            remedy="" if same else "find out who did; a plan made now takes the present traffic for its base",
            evidence={"live": _said(live), "journal": _said(wanted), "rollout": infos[-1].id},
        ),
    )


def lease(target: Target, infos: Sequence[RolloutInfo], now_ms: int) -> tuple[Finding, ...]:
    """Judge whether somebody else acts on the target."""
    held = [info for info in infos if info.open]
    if not held:
        return (
            Finding(
                "lease",
                aspect=Aspect.CONFIGURATION,
                severity=Severity.CRITICAL,
                passed=True,
                message=f"no other rollout acts on {target.id!r}",
            ),
        )
    first = held[0]
    expired = first.expires_ms <= now_ms and not first.parked
    return (
        Finding(
            "lease",
            aspect=Aspect.CONFIGURATION,
            severity=Severity.CRITICAL,
            passed=False,
            message=f"rollout {first.id!r} of {first.holder!r} acts on {target.id!r}"
            + (", but its lease has expired" if expired else ""),
            remedy="recover it: await deployer.recover()"
            if expired
            else "wait for it, abort it (deployer.abort), or deploy with on_conflict='queue' or 'supersede'",
        ),
    )


def _said(split: Split | None) -> str:
    return str(split) if split else "none"

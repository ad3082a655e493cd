"""Asking what serves how it is, and whether its answer convicts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fairdeploy.health import HealthChecker
from fairdeploy.model import Verdict
from fairdeploy.model.check import is_counted, is_data

if TYPE_CHECKING:
    from fairdeploy.engine.desk import Desk
    from fairdeploy.health import HealthRule
    from fairdeploy.model import HealthStatus, Target
    from fairdeploy.model.check import Asked
    from fairdeploy.protocols import Backend, HealthCheck

__all__ = ["checker_of", "convicted"]


def checker_of(
    desk: Desk, place: Backend, target: Target, checks: Mapping[str, Asked | HealthCheck | HealthRule] | None
) -> HealthChecker | None:
    """Return what asks the checks of what serves a target; ``None`` if there is nothing to ask.

    Args:
        desk: Its clock, and its checks where none are given: those that can be asked.
        place: Where.
        target: Of what.
        checks: By name.
    """
    asked = checks or {
        name: check for name, check in desk.checks.items() if not is_data(check) or not is_counted(check)
    }
    return HealthChecker(asked, target=target, backend=place, clock=desk.clock) if asked else None


def convicted(checker: HealthChecker, status: HealthStatus) -> tuple[str, ...]:
    """Return what has failed by its own fault: not by an error of the question, nor by what all revisions share."""
    return tuple(
        f"{name}: {result.message}"
        for name, result in status.checks.items()
        if result.verdict is Verdict.FAIL
        and checker.rules[name].required
        and checker.rules[name].scope != "shared"
    )

"""What ECS is asked for when it rolls out by itself: its own words for a step of ours, refused where it has none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fairdeploy.errors import InvalidInput
from fairdeploy.model import WHOLE

if TYPE_CHECKING:
    from fairdeploy.aws import Answer
    from fairdeploy.model import Delegate

__all__ = ["configuration"]

_MINUTE = 60_000
_LONGEST_BAKE = 1_440
"""Minutes (ECS API reference: bakeTimeInMinutes, stepBakeTimeInMinutes, canaryBakeTimeInMinutes)."""
_MOST = 200
"""Percent of the tasks that may be there at once: twice as many."""
_BREAKER = {"enable": True, "rollback": True}


def configuration(step: Delegate, size: int, before: Answer) -> Answer:
    """Return the deploymentConfiguration that carries out a step.

    No shares: ``ROLLING`` with the circuit breaker. One: ``BLUE_GREEN``. Two: ``CANARY``. More, of equal size:
    ``LINEAR``. Alarms and lifecycle hooks stay those of the service.

    Args:
        step: What is asked.
        size: How many tasks there are to be.
        before: The service's configuration until now.

    Raises:
        InvalidInput: If ECS has no such deployment: the plan must be driven.
    """
    if step.min_ready_ms:
        msg = "ECS does not wait for min_ready: leave it out, and give the container a health check that does"
        raise InvalidInput(msg)
    kept = {name: before[name] for name in ("alarms", "lifecycleHooks") if before.get(name)}
    if not step.shares:
        kept.pop("lifecycleHooks", None)  # a rolling update has none
        return {**kept, **_bounds(step, size), "strategy": "ROLLING", "deploymentCircuitBreaker": _BREAKER}
    bake = {"bakeTimeInMinutes": _minutes(step.bakes_ms[-1])}
    whole = {"maximumPercent": _MOST, "minimumHealthyPercent": 100}
    return {**kept, **whole, **_shifted(step.shares, step.bakes_ms), **bake}


def _bounds(step: Delegate, size: int) -> Answer:
    """Return bounds that ECS rounds to ours: it rounds the most down, and the least up."""
    tasks = max(size, 1)
    most = math.ceil(100 * (tasks + step.max_surge) / tasks)
    least = math.floor(100 * max(tasks - step.max_unavailable, 0) / tasks)
    return {"maximumPercent": min(most, _MOST), "minimumHealthyPercent": least}


def _shifted(shares: tuple[int, ...], bakes: tuple[int, ...]) -> Answer:
    if shares == (WHOLE,):
        return {"strategy": "BLUE_GREEN"}
    if len(shares) == 2:  # a canary, then all
        config = {"canaryPercent": _percent(shares[0], 0.1), "canaryBakeTimeInMinutes": _minutes(bakes[0])}
        return {"strategy": "CANARY", "canaryConfiguration": config}
    sizes = {after - before for before, after in zip((0, *shares), shares, strict=False)}
    if len(sizes) == 1 and len(set(bakes[:-1])) == 1:
        config = {"stepPercent": _percent(shares[0], 3.0), "stepBakeTimeInMinutes": _minutes(bakes[0])}
        return {"strategy": "LINEAR", "linearConfiguration": config}
    msg = (
        f"ECS has no steps like {[share / 100 for share in shares]} %: one canary step (CANARY), equal steps with equal "
        "bakes (LINEAR), or none (BLUE_GREEN); drive this plan, which takes any"
    )
    raise InvalidInput(msg)


def _percent(share: int, low: float) -> float:
    """Return a share as ECS takes it: a multiple of 0.1 (ECS API reference)."""
    if share % 10 or share / 100 < low:
        msg = f"ECS takes steps of {low:g} to 100 % in tenths, not {share / 100:g} %: drive this plan"
        raise InvalidInput(msg)
    return share / 100


def _minutes(milliseconds: int) -> int:
    found = math.ceil(milliseconds / _MINUTE)
    if found > _LONGEST_BAKE:
        msg = f"ECS bakes for at most {_LONGEST_BAKE} minutes, not {found}: drive this plan"
        raise InvalidInput(msg)
    return found

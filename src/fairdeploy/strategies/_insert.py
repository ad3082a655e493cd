"""How wrappers name the steps that they add."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairdeploy.model import Plan


def free_id(plan: Plan, wanted: str) -> str:
    """Return ``wanted``, or the first of ``wanted-2``, ``wanted-3`` ... that the plan does not hold."""
    taken = {step.id for step in plan.steps} | {guard.id for guard in plan.guards}
    if wanted not in taken:
        return wanted
    return next(name for number in count(2) if (name := f"{wanted}-{number}") not in taken)

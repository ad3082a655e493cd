"""Plans that act on a database, and leave the application as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model import Plan, UndoPolicy
from fairdeploy.strategies._scene import base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model import DatabaseStep, Deployment, Target

__all__ = ["database_plan"]


def database_plan(
    verb: str,
    target: Target,
    deployment: Deployment,
    steps: Sequence[DatabaseStep],
    *,
    notes: Sequence[str] = (),
) -> Plan:
    """Return the plan that takes steps on databases, for the sake of a target whose lease and epochs count for them.

    Whoever recovers it goes on with it: each step goes on where it was.

    Args:
        verb: What such plans are called.
        target: For whose sake.
        deployment: What is there.
        steps: In order.
        notes: What a reader should know.
    """
    return Plan(
        verb,
        bases=(base(target, deployment, None),),
        steps=tuple(steps),
        # What is put back takes as long as what was taken.
        undo=UndoPolicy(deadline_ms=180_000 + sum(step.deadline_ms for step in steps), on_crash="resume"),
        notes=tuple(notes),
    )

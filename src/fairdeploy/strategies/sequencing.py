"""Put plans for several targets together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Migrate, Plan, Promote, Restore, UndoPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairdeploy.model import Guard, Step

__all__ = ["sequence"]

_PROMOTE = "promote"


def sequence(*plans: Plan) -> Plan:
    """Return one plan that carries out several, for different targets or backends.

    Each goes as far as its promotion, in order; then all are promoted at once; then the old
    revisions are put away. So there is still one point of no return: a failure before it sends
    every target back. What watches a target goes on until the common promotion. Steps and guards
    get the target's id in front: ``shop/production:start``.

    Args:
        plans: In order. Each target at most once.

    Raises:
        InvalidInput: If there is no plan, or two are for the same target.

    Example:
        ``sequence(api_plan, worker_plan)`` brings the API to 100 %, then the workers, and
        promotes both together.
    """
    if not plans:
        msg = "sequence() needs at least one plan"
        raise InvalidInput(msg)
    if len(plans) == 1:
        return plans[0]
    targets = [base.target.id for plan in plans for base in plan.bases]
    if twice := sorted({target for target in targets if targets.count(target) > 1}):
        msg = f"sequence() was given several plans for {twice!r}: make one plan per target"
        raise InvalidInput(msg)
    named = [_renamed(plan) for plan in plans]
    heads = [step for plan in named for step in _head(plan)]
    tails = [step for plan in named for step in _tail(plan)]
    return Plan(
        " + ".join(dict.fromkeys(plan.strategy for plan in plans)),
        bases=tuple(
            replace(base, exclusive=plan.exclusive(base.target.id)) for plan in plans for base in plan.bases
        ),
        releases={revision: release for plan in plans for revision, release in plan.releases.items()},
        steps=(*heads, *_promotion(plans), *tails),
        guards=tuple(replace(guard, until=heads[-1].id) for plan in named for guard in plan.guards),
        undo=_undo(plans),
        notes=tuple(f"{plan.bases[0].target.id}: {note}" for plan in plans for note in plan.notes),
    )


def _promotion(plans: Sequence[Plan]) -> list[Promote]:
    each = [point for plan in plans if (point := plan.point_of_no_return)]
    if not each:
        return []
    targets = tuple(pair for point in each for pair in point.targets)
    return [Promote(_PROMOTE, targets=targets, deadline_ms=max(point.deadline_ms for point in each))]


def _renamed(plan: Plan) -> Plan:
    """Return the plan with its target's id before every other id; a sequence has them already."""
    first, *others = plan.bases
    if others:
        return plan
    prefix = first.target.id
    promotion = plan.point_of_no_return
    names = {step.id: f"{prefix}:{step.id}" for step in plan.steps}
    if promotion:
        names[promotion.id] = _PROMOTE
    steps: list[Step] = [_step(step, names) for step in plan.steps]
    guards: list[Guard] = [
        replace(g, id=f"{prefix}:{g.id}", since=names[g.since], until=names[g.until]) for g in plan.guards
    ]
    return replace(plan, steps=tuple(steps), guards=tuple(guards))


def _step(step: Step, names: Mapping[str, str]) -> Step:
    if isinstance(step, (Migrate, Restore)) and step.backup:
        return replace(step, id=names[step.id], backup=names.get(step.backup, step.backup))
    return replace(step, id=names[step.id])


def _head(plan: Plan) -> tuple[Step, ...]:
    point = plan.point_of_no_return
    return plan.steps[: plan.steps.index(point)] if point else plan.steps


def _tail(plan: Plan) -> tuple[Step, ...]:
    point = plan.point_of_no_return
    return plan.steps[plan.steps.index(point) + 1 :] if point else ()


def _undo(plans: Sequence[Plan]) -> UndoPolicy:
    return UndoPolicy(
        deadline_ms=sum(plan.undo.deadline_ms for plan in plans),
        on_crash="resume" if all(plan.undo.on_crash == "resume" for plan in plans) else "undo",
    )

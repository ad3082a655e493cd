"""Add the deployer's checks to a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.model import Base, CommandCheck, Guard, Verify
from fairdeploy.model.check import is_comparison, is_counted
from fairdeploy.strategies._guards import consequences, side_by_side, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairdeploy.model import Check, Plan, Step

__all__ = ["with_checks"]

_FAILURES = 3
"""Failing answers in a row that convict: one lost packet must not send a release back."""


def with_checks(plan: Plan, checks: Mapping[str, Check]) -> Plan:
    """Return the plan with checks in its `Verify` steps and one guard each.

    Checks on the candidate itself are asked before it gets traffic and, as guards, from its
    first traffic to the promotion. Checks on what all revisions share, and those that count
    requests, are guards only. `Verify` steps that hold no check are dropped.

    Args:
        plan: Of a strategy.
        checks: By name; a guard is called ``check:<name>``.
    """
    early = [check for check in checks.values() if check.scope == "revision" and not is_counted(check)]
    guards = [*plan.guards]
    for base in plan.bases:
        guards += _guards(plan, base, checks)
    return replace(plan, steps=tuple(_verified(plan, early)), guards=tuple(guards))


def _verified(plan: Plan, early: Sequence[Check]) -> Iterator[Step]:
    for step in plan.steps:
        if not isinstance(step, Verify):
            yield step
            continue
        added = [check for check in early if check not in step.checks]
        if step.checks or added:
            yield replace(step, checks=(*step.checks, *added))


def _guards(plan: Plan, base: Base, checks: Mapping[str, Check]) -> Iterator[Guard]:
    target = base.target.id
    watched = span(plan.steps, target, base.candidate) if base.candidate else None
    if watched is None or base.candidate is None:
        return
    comparable = side_by_side(plan.steps, target, base.candidate, base.stable)
    several = len(plan.bases) > 1
    for name, check in checks.items():
        if is_comparison(check) and not comparable:
            continue
        counted = is_counted(check)
        yield Guard(
            f"check:{name}@{target}" if several else f"check:{name}",
            check=check,
            target=target,
            candidate=base.candidate,
            baseline=base.stable,
            since=watched[0],
            until=watched[1],
            every_ms=5_000 if isinstance(check, CommandCheck) else 1_000,
            failures=1 if counted else _FAILURES,
            on=consequences(check),
        )

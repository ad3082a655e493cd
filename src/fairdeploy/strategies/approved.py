"""Ask a person before the candidate gets everything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    WHOLE,
    Await,
    AwaitReady,
    Base,
    Capability,
    Deployment,
    Plan,
    Release,
    Scale,
    Shift,
    Start,
    Step,
    Target,
)
from fairdeploy.model._words import duration as words
from fairdeploy.protocols import Strategy
from fairdeploy.strategies._arguments import Duration, duration, ms
from fairdeploy.strategies._guards import until_promotion
from fairdeploy.strategies._insert import free_id

__all__ = ["Approved"]


@final
@dataclass(frozen=True, slots=True)
class Approved:
    """A person must approve before the candidate gets all traffic: `Rollout.promote` from any process.

    With `BlueGreen` that is before the switch, after the preview was verified; with `Canary`
    before its last share; with `Recreate` before anything is stopped. Guards watch meanwhile.

    Args:
        inner: The strategy that is gated.
        timeout: Longest wait, a ``timedelta`` or a number of seconds.
        then: What follows when nobody has answered by then: ``abort`` or ``continue``.

    Raises:
        InvalidInput: If a value is out of range.

    Example:
        >>> from fairdeploy.strategies import Canary
        >>> Approved(Canary(), timeout=3_600).then
        'abort'
    """

    inner: Strategy
    timeout: Duration = timedelta(days=1)
    then: Literal["abort", "continue"] = "abort"

    def __post_init__(self) -> None:
        """Prove timeout and consequence."""
        object.__setattr__(self, "timeout", duration(self.timeout, "timeout", low=1))
        if self.then not in {"abort", "continue"}:
            msg = f"then must be 'abort' or 'continue', not {self.then!r}"
            raise InvalidInput(msg)

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the inner plan with its gate.

        Raises:
            UnsupportedCapability: As the inner strategy.
            InvalidInput: As the inner strategy.
        """
        plan = self.inner.plan(release, target, deployment, capabilities)
        base = plan.base(target.id)
        if not plan.changes or base.candidate is None:
            return plan
        at = 0 if plan.exclusive(target.id) else _gate(plan.steps, base)
        step = Await(free_id(plan, "approve"), target=target.id, timeout_ms=ms(self.timeout), then=self.then)
        after = "goes back" if self.then == "abort" else "goes on"
        before = repr(plan.steps[at].id) if at < len(plan.steps) else "its end"
        note = f"Approval: waits at most {words(step.timeout_ms)} for a person before {before}, then {after}."
        return replace(plan, steps=(*plan.steps[:at], step, *plan.steps[at:]), notes=(*plan.notes, note))


def _gate(steps: tuple[Step, ...], base: Base) -> int:
    """Return where the candidate is about to get everything, its last growth included.

    Without a router it is given work by being started, so the gate stands before that.
    """
    head = until_promotion(steps)
    whole = [i for i, step in enumerate(head) if isinstance(step, Shift) and _gives_all(step, base)]
    grows = [
        i
        for i, step in enumerate(head)
        if isinstance(step, (Start, Scale)) and step.revision == base.candidate
    ]
    if not whole:
        return grows[-1] if grows else len(head)
    at = whole[0]
    while at >= 2 and isinstance(head[at - 1], AwaitReady) and _grows(head[at - 2], base):
        at -= 2
    return at


def _gives_all(step: Shift, base: Base) -> bool:
    return step.split is not None and step.split.share(base.candidate or "") == WHOLE


def _grows(step: Step, base: Base) -> bool:
    return isinstance(step, Scale) and step.revision == base.candidate

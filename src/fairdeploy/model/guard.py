"""A check that watches through the steps of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check import Check, Scope
from fairdeploy.model.release import RevisionId
from fairdeploy.model.source import RouterSource, Source
from fairdeploy.model.target import TargetId
from fairdeploy.model.verdict import Action, Verdict

__all__ = ["CONVICTING", "SHARED", "WARNING", "Guard"]

CONVICTING: Mapping[Verdict, Action] = {
    Verdict.PASS: Action.CONTINUE,
    Verdict.FAIL: Action.ROLLBACK,
    Verdict.INCONCLUSIVE: Action.CONTINUE,
    Verdict.NO_DATA: Action.CONTINUE,
    Verdict.ERROR: Action.HOLD,
}
"""What follows the verdicts of a check on the candidate itself."""

SHARED: Mapping[Verdict, Action] = {**CONVICTING, Verdict.FAIL: Action.HOLD}
"""What follows those of a check on something that all revisions use."""

WARNING: Mapping[Verdict, Action] = {
    **CONVICTING,
    Verdict.FAIL: Action.CONTINUE,
    Verdict.ERROR: Action.CONTINUE,
}
"""What follows those of a check that only warns: the record is the warning."""


@final
@dataclass(frozen=True, slots=True)
class Guard:
    """A check that runs beside the steps, also while paused, and what follows its verdicts.

    Args:
        id: Unique in the plan.
        check: What is asked.
        target: Where.
        candidate: The revision that can be convicted.
        baseline: The revision it replaces, or ``None``.
        since: Step id after whose end the guard begins.
        until: Step id at whose end it stops.
        every_ms: Time between two evaluations.
        failures: Failing evaluations in a row that make a ``fail``.
        on: Action per verdict; all five must be named.
        hold_limit_ms: Longest that this guard may hold the rollout, in all.
        then: What follows when the limit is reached.
        source: Where requests are counted, for checks that are judged from counters.
        shared_fault: What follows when a threshold is failed by the baseline as well, and not much
            less: something that both use is broken.

    Raises:
        InvalidInput: If a number is out of range or a verdict has no action.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    check: Check
    target: TargetId
    candidate: RevisionId
    baseline: RevisionId | None = None
    since: str
    until: str
    every_ms: int = 1_000
    failures: int = 1
    on: Mapping[Verdict, Action] = field(default_factory=lambda: CONVICTING)
    hold_limit_ms: int = 600_000
    then: Action = Action.ROLLBACK
    source: Source = field(default_factory=RouterSource)
    shared_fault: Action = Action.HOLD

    def __post_init__(self) -> None:
        """Prove that no verdict is without an answer and no hold without an end."""
        missing = [str(v) for v in Verdict if v not in self.on]
        if missing:
            msg = f"guard {self.id!r} names no action for the verdicts {missing!r}"
            raise InvalidInput(msg)
        if self.then is Action.HOLD:
            msg = f"guard {self.id!r} would hold for ever: then= must be continue, pause or rollback"
            raise InvalidInput(msg)
        _check.whole(self.every_ms, "every_ms", low=10)
        _check.whole(self.failures, "failures", low=1)
        _check.whole(self.hold_limit_ms, "hold_limit_ms", low=0)
        object.__setattr__(self, "on", _check.frozen_mapping(self.on))

    @property
    def scope(self) -> Scope:
        """The check's scope."""
        return self.check.scope

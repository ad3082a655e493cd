"""What was done to a server, step by step: a report that a person can file."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, final

from fairdeploy.model._sheet import Mark, Row, Sheet
from fairdeploy.model._words import count

__all__ = ["Outcome", "ProvisionReport", "StepReport"]

Outcome: TypeAlias = Literal[
    "unchanged", "changed", "would change", "needs consent", "warning", "failed", "not reached"
]

_MARKS: Final[dict[Outcome, Mark]] = {
    "unchanged": "good",
    "changed": "good",
    "would change": "open",
    "needs consent": "open",
    "warning": "care",
    "failed": "bad",
    "not reached": "open",
}


def _now() -> datetime:
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True)
class StepReport:
    """One step.

    Args:
        step: Its name, by which consent is given.
        outcome: What came of it.
        says: How it is.
        remedy: What to do, unless all is well.
    """

    step: str
    _: KW_ONLY
    outcome: Outcome
    says: str
    remedy: str = ""


@final
@dataclass(frozen=True, slots=True)
class ProvisionReport:
    """All steps, in order.

    Args:
        project: The compose project.
        what: ``plan``, ``apply`` or ``remove``.
        steps: What came of each.
        timestamp: When, UTC.
    """

    project: str
    _: KW_ONLY
    what: Literal["plan", "apply", "remove"]
    steps: tuple[StepReport, ...] = ()
    timestamp: datetime = field(default_factory=_now)

    @property
    def ok(self) -> bool:
        """Whether nothing failed and everything was reached."""
        return not {step.outcome for step in self.steps} & {"failed", "not reached"}

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the steps that changed something, or would."""
        return tuple(step.step for step in self.steps if step.outcome in {"changed", "would change"})

    def step(self, name: str) -> StepReport:
        """Return the report of a step.

        Raises:
            KeyError: If there is none of that name.
        """
        return {step.step: step for step in self.steps}[name]

    def __str__(self) -> str:
        """Return the report as text."""
        return _sheet(self).text()

    def __rich__(self) -> object:
        """Return the report for rich's console."""
        return _sheet(self).rich()

    def _repr_html_(self) -> str:
        return _sheet(self).html()


def _sheet(report: ProvisionReport) -> Sheet:
    words = ", ".join(
        f"{number} {outcome}"
        for outcome in _MARKS
        if (number := sum(step.outcome == outcome for step in report.steps))
    )
    return Sheet(
        title=f"Server of {report.project!r}, {report.what} of {count(len(report.steps), 'step')}: {words}",
        rows=tuple(
            Row(
                mark=_MARKS[step.outcome],
                word=step.outcome,
                name=step.step,
                says=step.says,
                more=(f"→ {step.remedy}",) if step.remedy else (),
            )
            for step in report.steps
        ),
        foot=f"{report.timestamp:%Y-%m-%d %H:%M:%S} UTC",
    )

"""What was found out before anything moves, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model._sheet import Mark, Row, Sheet
from fairdeploy.model._words import clean, count
from fairdeploy.model.validation import Severity

if TYPE_CHECKING:
    from fairdeploy.model.validation import Finding, ValidationResult

__all__ = ["line", "sheet"]

_MARKS: dict[Severity, Mark] = {Severity.CRITICAL: "bad", Severity.WARNING: "care", Severity.INFO: "open"}


def line(finding: Finding) -> str:
    """Return a finding in one line."""
    state = "ok" if finding.passed else str(finding.severity)
    remedy = "" if finding.passed else f" ({finding.remedy})"
    return clean(f"{state}: {finding.aspect}: {finding.name}: {finding.message}{remedy}")


def sheet(result: ValidationResult) -> Sheet:
    """Return the report, ready to be drawn."""
    about = f" of {result.target}" if result.target else ""
    bad = {severity: _bad(result, severity) for severity in Severity}
    words = ", ".join(
        count(number, noun)
        for number, noun in (
            (bad[Severity.CRITICAL], "critical failure"),
            (bad[Severity.WARNING], "warning"),
            (bad[Severity.INFO], "remark"),
        )
        if number
    )
    verdict = "refused" if result.refused else "can be deployed" if words else "nothing speaks against it"
    return Sheet(
        title=f"Validation{about}: {verdict}" + (f" ({words})" if words else ""),
        rows=tuple(_row(finding) for finding in result.results),
        foot=_foot(result),
    )


def _bad(result: ValidationResult, severity: Severity) -> int:
    return sum(not finding.passed and finding.severity is severity for finding in result.results)


def _row(finding: Finding) -> Row:
    return Row(
        mark="good" if finding.passed else _MARKS[finding.severity],
        word="ok" if finding.passed else str(finding.severity),
        about=str(finding.aspect),
        name=finding.name,
        says=finding.message,
        more=() if finding.passed else (f"→ {finding.remedy}",),
    )


def _foot(result: ValidationResult) -> str:
    when = f"{result.timestamp:%Y-%m-%d %H:%M:%S} UTC"
    if not result.unseen:
        return when
    return f"{when}; not looked at: {', '.join(result.unseen)}"

"""What checks found, as people read it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.model._sheet import Mark, Row, Sheet
from fairdeploy.model._words import count
from fairdeploy.model.verdict import Verdict

if TYPE_CHECKING:
    from fairdeploy.model.canonical import JSON
    from fairdeploy.model.verdict import CheckResult, HealthStatus

__all__ = ["of_result", "of_status"]

_MARKS: dict[Verdict, Mark] = {
    Verdict.PASS: "good",
    Verdict.FAIL: "bad",
    Verdict.INCONCLUSIVE: "care",
    Verdict.NO_DATA: "open",
    Verdict.ERROR: "open",
}
_SHOWN = 8
"""Figures that are shown of the evidence; the rest is in `CheckResult.evidence`."""


def of_status(status: HealthStatus) -> Sheet:
    """Return a health status, ready to be drawn: what is wrong first."""
    rows = [
        _advisory(_row(name, result)) if name in status.advisory else _row(name, result)
        for name, result in status.checks.items()
    ]
    order: list[Mark] = ["bad", "open", "care", "good"]
    bad = sum(not result.healthy for result in status.checks.values())
    told = (
        f"{bad} of {count(len(rows), 'check')} not passed" if bad else f"{count(len(rows), 'check')} passed"
    )
    return Sheet(
        title=f"{'Healthy' if status.healthy else 'Not healthy'}: {told if rows else 'nothing was checked'}",
        rows=tuple(sorted(rows, key=lambda row: order.index(row.mark))),
        foot=f"{status.timestamp:%Y-%m-%d %H:%M:%S} UTC",
    )


def of_result(result: CheckResult) -> Sheet:
    """Return one result, ready to be drawn, with the figures behind it."""
    row = _row("check", result)
    return Sheet(title=f"Verdict: {row.word}", rows=(row,))


def _row(name: str, result: CheckResult) -> Row:
    verdict = Verdict(result.verdict)
    return Row(
        mark=_MARKS[verdict],
        word=verdict.replace("_", " "),
        name=name,
        says=result.message if result.took_ms is None else f"{result.message} ({result.took_ms} ms)",
        more=_figures(result.evidence, result.message),
    )


def _advisory(row: Row) -> Row:
    """Return the row of a check that does not count: what is bad there is no reason to stop."""
    return replace(row, about="advisory", mark="care" if row.mark == "bad" else row.mark)


def _figures(evidence: JSON, says: str) -> tuple[str, ...]:
    """Say the evidence in a line, as far as it is a line, without what the message says already."""
    match evidence:
        case None:
            return ()
        case dict():
            told = [f"{key} {_value(value)}" for key, value in list(evidence.items())[:_SHOWN]]
            return (", ".join(told),) if told else ()
        case list():
            told = [_value(_new(each, says)) for each in evidence[:_SHOWN]]
            return tuple(filter(None, told))
        case _:
            return (_value(evidence),)


def _new(value: JSON, says: str) -> JSON:
    if not isinstance(value, dict):
        return value
    return {key: each for key, each in value.items() if not (isinstance(each, str) and each in says)}


def _value(value: JSON) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case dict():
            return ", ".join(f"{key} {_value(each)}" for key, each in value.items())
        case list():
            return "–".join(_value(each) for each in value) if len(value) <= 3 else f"{len(value)} values"
        case _:
            return str(value)

"""What one question of a check found, and what all of them mean together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from fairdeploy.model import CheckResult, Verdict

if TYPE_CHECKING:
    from fairdeploy.model.canonical import JSON

__all__ = ["Finding", "failed", "passed", "summary", "unclear", "unknown"]

_SHOWN = 20
"""Findings kept as evidence: a hundred instances that fail alike say no more."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to one question: one path of one instance, say.

    Args:
        verdict: ``pass``, ``fail``, ``error`` where the question could not be put, or ``no_data``
            where there is nothing to know.
        message: A sentence for people.
        asked: Who was asked.
        output: What was said, line by line.
    """

    verdict: Literal[Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.NO_DATA]
    message: str
    asked: str
    output: tuple[str, ...] = ()


def passed(asked: str, message: str) -> Finding:
    """Return a good answer."""
    return Finding(verdict=Verdict.PASS, message=message, asked=asked)


def failed(asked: str, message: str, output: Sequence[str] = ()) -> Finding:
    """Return a bad answer, which is evidence against whoever was asked."""
    return Finding(verdict=Verdict.FAIL, message=message, asked=asked, output=tuple(output))


def unclear(asked: str, message: str) -> Finding:
    """Return that the question could not be put, which says nothing about whoever was to be asked."""
    return Finding(verdict=Verdict.ERROR, message=message, asked=asked)


def unknown(asked: str, message: str) -> Finding:
    """Return that the question was put, and that there is nothing to know."""
    return Finding(verdict=Verdict.NO_DATA, message=message, asked=asked)


def summary(findings: Sequence[Finding]) -> CheckResult:
    """Return what findings mean together: all must pass; a failure weighs more than an error."""
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.NO_DATA):
        bad = [finding for finding in findings if finding.verdict is verdict]
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            return CheckResult(
                verdict, bad[0].message + more, evidence=[_plain(each) for each in bad[:_SHOWN]]
            )
    first = findings[0].message if len(findings) == 1 else f"all {len(findings)} answers are good"
    return CheckResult(Verdict.PASS, first)


def _plain(finding: Finding) -> JSON:
    told: dict[str, JSON] = {"asked": finding.asked, "message": finding.message}
    if finding.output:
        told["output"] = list(finding.output)
    return told

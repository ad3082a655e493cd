"""What a check stands at, after all its answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import anyio

from fairdeploy.model import CheckResult, Verdict

__all__ = ["Standing"]


@final
@dataclass(slots=True)
class Standing:
    """Answers in a row, and the last of them.

    Args:
        since: When it was first looked at.
        up: Whether the check passes by now; ``None`` before that is known.
        passes: Answers in a row that pass.
        others: Answers in a row that do not.
        last: What was told last.
        at: When.
        asking: Held by who asks, so that others who would take the same answer wait for it.
    """

    since: float
    up: bool | None = None
    passes: int = 0
    others: int = 0
    last: CheckResult | None = None
    at: float = 0.0
    asking: anyio.Lock = field(default_factory=anyio.Lock)

    def take(self, result: CheckResult, *, successes: int, failures: int, now: float) -> CheckResult:
        """Count an answer, and return what the check stands at.

        Args:
            result: The answer.
            successes: Answers in a row that pass before the check does.
            failures: Answers in a row that do not pass before it no longer does.
            now: Time of the answer.
        """
        if result.healthy:
            self.passes, self.others = self.passes + 1, 0
            if self.passes >= successes:
                self.up = True
            told = result if self.up else _open(result, self.passes, successes, "successes")
        else:
            self.passes, self.others = 0, self.others + 1
            if self.others >= failures:
                self.up = False
            told = self._not_passing(result, failures)
        self.last, self.at = told, now
        return told

    def _not_passing(self, result: CheckResult, failures: int) -> CheckResult:
        if self.up:
            message = (
                f"still counted as passing, {self.others} of {failures} failures in a row: {result.message}"
            )
            return replace(result, verdict=Verdict.PASS, message=message)
        if self.up is None and result.verdict is Verdict.FAIL:
            return _open(result, self.others, failures, "failures")
        return result


def _open(result: CheckResult, seen: int, wanted: int, what: str) -> CheckResult:
    message = f"{result.message} ({seen} of {wanted} {what} in a row)"
    return replace(result, verdict=Verdict.INCONCLUSIVE, message=message)

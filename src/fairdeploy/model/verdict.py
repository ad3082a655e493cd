"""What a check says, and what may follow."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import final

from fairdeploy.model.canonical import JSON

__all__ = ["Action", "CheckResult", "HealthStatus", "Verdict"]


@final
class Verdict(StrEnum):
    """The five answers. ``no_data`` and ``error`` never become a pass or a fail."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"
    ERROR = "error"


@final
class Action(StrEnum):
    """What follows a verdict; the plan says which."""

    CONTINUE = "continue"
    HOLD = "hold"
    """Stop the clock of the rollout until the verdict changes, at most for the guard's hold limit."""
    PAUSE = "pause"
    """Stop until a person resumes or aborts."""
    ROLLBACK = "rollback"


def _now() -> datetime:
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Args:
        verdict: The answer. A ``bool`` is taken as pass or fail.
        message: A sentence for people.
        evidence: Numbers behind it, plain JSON, without secrets.
        took_ms: How long the answer took, where that was measured.
    """

    verdict: Verdict
    message: str = ""
    _: KW_ONLY
    evidence: JSON = None
    took_ms: int | None = None

    def __post_init__(self) -> None:
        """Accept the plain answer of a callable check."""
        if isinstance(self.verdict, bool):
            object.__setattr__(self, "verdict", Verdict.PASS if self.verdict else Verdict.FAIL)

    @property
    def healthy(self) -> bool:
        """Whether the verdict is a pass."""
        return self.verdict is Verdict.PASS

    def __rich__(self) -> object:
        """Return the result for rich's console, with the figures behind it."""
        from fairdeploy.model import verdict_text  # noqa: PLC0415 - text is built on demand

        return verdict_text.of_result(self).rich()

    def _repr_html_(self) -> str:
        from fairdeploy.model import verdict_text  # noqa: PLC0415 - text is built on demand

        return verdict_text.of_result(self).html()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HealthStatus:
    """What all checks found, at one time.

    Args:
        healthy: Whether every required check passes.
        checks: Result by name.
        timestamp: When, with its time zone (UTC).
        advisory: Names of the checks that do not count for ``healthy``.
    """

    healthy: bool
    checks: dict[str, CheckResult] = field(default_factory=dict)
    timestamp: datetime = field(default_factory=_now)
    advisory: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the status as text, what is wrong first."""
        from fairdeploy.model import verdict_text  # noqa: PLC0415 - text is built on demand

        return verdict_text.of_status(self).text()

    def __rich__(self) -> object:
        """Return the status for rich's console."""
        from fairdeploy.model import verdict_text  # noqa: PLC0415 - text is built on demand

        return verdict_text.of_status(self).rich()

    def _repr_html_(self) -> str:
        from fairdeploy.model import verdict_text  # noqa: PLC0415 - text is built on demand

        return verdict_text.of_status(self).html()

"""What was found out before anything moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.model.canonical import JSON

__all__ = ["Aspect", "Finding", "Severity", "ValidationResult"]


@final
class Aspect(StrEnum):
    """What a finding is about, in the order in which they are looked at."""

    CONFIGURATION = "configuration"
    """Release, target and what is deployed now fit together."""
    SECRETS = "secrets"
    """Every secret is there, is a real one, and stands nowhere else."""
    DATABASE = "database"
    """The database answers and has the schema that the release needs."""
    PERMISSIONS = "permissions"
    """Files and folders can be used by whom they are for, and by nobody else."""
    DEPENDENCIES = "dependencies"
    """Programs, services and clocks that the release stands on."""
    CAPACITY = "capacity"
    """There is room for two copies, and the release starts and stops as it should."""

    @classmethod
    def _missing_(cls, value: object) -> Aspect | None:
        msg = f"there is no aspect {value!r}; known are {[str(known) for known in cls]!r}"
        raise InvalidInput(msg)


@final
class Severity(StrEnum):
    """What it means if a finding is bad."""

    CRITICAL = "critical"
    """Nothing is deployed."""
    WARNING = "warning"
    """It is deployed, and somebody should look."""
    INFO = "info"
    """Worth knowing."""

    @classmethod
    def _missing_(cls, value: object) -> Severity | None:
        msg = f"there is no severity {value!r}; known are {[str(known) for known in cls]!r}"
        raise InvalidInput(msg)


def _now() -> datetime:
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: What was looked at, such as ``"placeholders"``.
        aspect: What it belongs to.
        severity: What it means if it is bad; said of good ones too.
        passed: Whether it is good.
        message: A sentence for people. Holds no value of a secret.
        remedy: What to do; needed unless it passed.
        evidence: Figures behind it, plain JSON, without secrets.

    Raises:
        InvalidInput: If it did not pass and says no remedy.
    """

    name: str
    _: KW_ONLY
    aspect: Aspect
    severity: Severity
    passed: bool
    message: str
    remedy: str = ""
    evidence: JSON = None

    def __post_init__(self) -> None:
        """Refuse a complaint without advice."""
        object.__setattr__(self, "aspect", Aspect(self.aspect))
        object.__setattr__(self, "severity", Severity(self.severity))
        if not self.passed and not self.remedy:
            msg = f"finding {self.name!r} did not pass and says no remedy: say what to do about it"
            raise InvalidInput(msg)

    @property
    def refuses(self) -> bool:
        """Whether nothing may be deployed because of it."""
        return not self.passed and self.severity is Severity.CRITICAL

    def __str__(self) -> str:
        """Return the finding in one line, with what to do."""
        from fairdeploy.model.validation_text import line  # noqa: PLC0415 - text is built on demand

        return line(self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """Everything that was found, in the order in which it was looked at.

    Args:
        passed: Whether every finding is good.
        results: The findings. After a bad critical one no further aspect is looked at.
        message: What refuses the deployment; empty if nothing does.
        target: Of which target, as ``app/environment``.
        timestamp: When, with its time zone (UTC).
    """

    passed: bool
    results: tuple[Finding, ...] = ()
    message: str = ""
    target: str = ""
    timestamp: datetime = field(default_factory=_now)

    @property
    def refused(self) -> bool:
        """Whether nothing may be deployed: a critical finding is bad."""
        return any(finding.refuses for finding in self.results)

    @property
    def failures(self) -> Sequence[Finding]:
        """The findings that are not good, the worst first."""
        worst = list(Severity)
        bad = (finding for finding in self.results if not finding.passed)
        return tuple(sorted(bad, key=lambda finding: worst.index(finding.severity)))

    @property
    def unseen(self) -> tuple[Aspect, ...]:
        """The aspects of which there is no finding: a critical one came before, or nothing was to be looked at."""
        seen = {finding.aspect for finding in self.results}
        return tuple(aspect for aspect in Aspect if aspect not in seen)

    def __str__(self) -> str:
        """Return the report as text: what is wrong first in each line, with what to do."""
        from fairdeploy.model import validation_text  # noqa: PLC0415 - text is built on demand

        return validation_text.sheet(self).text()

    def __rich__(self) -> object:
        """Return the report for rich's console."""
        from fairdeploy.model import validation_text  # noqa: PLC0415 - text is built on demand

        return validation_text.sheet(self).rich()

    def _repr_html_(self) -> str:
        from fairdeploy.model import validation_text  # noqa: PLC0415 - text is built on demand

        return validation_text.sheet(self).html()

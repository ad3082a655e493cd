"""Whether a compose file can roll without downtime, as people read it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias, final

from fairdeploy.compose.file import Place
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Severity
from fairdeploy.model._sheet import Mark, Row, Sheet
from fairdeploy.model._words import clean, count

__all__ = ["ComposeReport", "Remark", "Role", "Rolling", "ServiceReport"]

Role: TypeAlias = Literal["web", "worker", "stateful", "one-shot"]
"""What a service is to a rollout: it has a port; it has none; it keeps data; it ends by itself."""


@final
class Rolling(StrEnum):
    """Whether a new version of a service can replace the old one without a gap."""

    READY = "ready"
    """As it stands."""
    CARE = "with care"
    """It can, and somebody should look at what is said."""
    BLOCKED = "blocked"
    """Not before what is said has changed."""
    STATEFUL = "not rolled"
    """It keeps data: two versions at once would both write it. Opt in if they may."""
    JOB = "a job"
    """It runs once and ends: run it as a job of the release, not as a revision."""


_MARKS: Final[dict[Rolling, Mark]] = {
    Rolling.READY: "good",
    Rolling.CARE: "care",
    Rolling.BLOCKED: "bad",
    Rolling.STATEFUL: "open",
    Rolling.JOB: "open",
}


@final
@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that stands in the way, or is worth knowing.

    Args:
        rule: Its name, such as ``container-name``.
        severity: ``critical``: cannot roll. ``warning``: look. ``info``: worth knowing.
        message: A sentence for people; holds no value from the environment.
        remedy: What to do.
        place: Where it stands, if known.

    Raises:
        InvalidInput: If it says no remedy.
    """

    rule: str
    _: KW_ONLY
    severity: Severity
    message: str
    remedy: str
    place: Place | None = None

    def __post_init__(self) -> None:
        """Refuse a complaint without advice."""
        object.__setattr__(self, "severity", Severity(self.severity))
        if not self.remedy:
            raise InvalidInput(f"remark {self.rule!r} says no remedy: say what to do about it")

    def __str__(self) -> str:
        """Return the remark in one line."""
        where = f" ({self.place})" if self.place else ""
        return clean(f"{self.severity}: {self.rule}: {self.message}{where}: {self.remedy}")


@final
@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service, judged.

    Args:
        service: Its name.
        role: What it is to a rollout.
        rolling: Whether it can roll.
        remarks: Why, the worst first.
    """

    service: str
    _: KW_ONLY
    role: Role
    rolling: Rolling
    remarks: tuple[Remark, ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules that had something to say."""
        return tuple(remark.rule for remark in self.remarks)


@final
@dataclass(frozen=True, slots=True)
class ComposeReport:
    """A compose file, judged service by service.

    Args:
        project: Its name.
        files: What was read.
        services: In order of name.
        unset: Variables that nobody has set.
    """

    project: str
    _: KW_ONLY
    files: tuple[str, ...]
    services: tuple[ServiceReport, ...] = ()
    unset: tuple[str, ...] = ()

    def service(self, name: str) -> ServiceReport:
        """Return the report of a service.

        Raises:
            InvalidInput: If there is none of that name.
        """
        for each in self.services:
            if each.service == name:
                return each
        known = [each.service for each in self.services]
        raise InvalidInput(f"service {name!r} was not judged: choose from {known!r}")

    @property
    def can_roll(self) -> bool:
        """Whether at least one service can roll, and nothing blocks another that should."""
        ways = {each.rolling for each in self.services}
        return Rolling.BLOCKED not in ways and bool(ways & {Rolling.READY, Rolling.CARE})

    def __str__(self) -> str:
        """Return the report as text."""
        return _sheet(self).text()

    def __rich__(self) -> object:
        """Return the report for rich's console."""
        return _sheet(self).rich()

    def _repr_html_(self) -> str:
        return _sheet(self).html()


def _sheet(report: ComposeReport) -> Sheet:
    numbers = {way: sum(each.rolling is way for each in report.services) for way in Rolling}
    words = ", ".join(f"{number} {way}" for way, number in numbers.items() if number)
    foot = f"not set, and read as nothing: {', '.join(report.unset)}" if report.unset else ""
    return Sheet(
        title=f"Compose project {report.project!r}, {count(len(report.services), 'service')}: {words or 'nothing to roll'}",
        rows=tuple(_row(each) for each in report.services),
        foot=foot,
    )


def _row(report: ServiceReport) -> Row:
    lines = [line for remark in report.remarks for line in _lines(remark)]
    says = (
        "nothing stands in the way" if not lines else f"{report.role}; {count(len(report.remarks), 'remark')}"
    )
    return Row(
        mark=_MARKS[report.rolling],
        word=str(report.rolling),
        name=report.service,
        says=says,
        more=tuple(lines),
    )


def _lines(remark: Remark) -> tuple[str, str]:
    where = f" (line {remark.place.line})" if remark.place else ""
    return f"{remark.severity}: {remark.message}{where}", f"→ {remark.remedy}"

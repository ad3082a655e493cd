"""Can this compose file roll without downtime? Pure: judged by what was read, nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.compose.case import Case
from fairdeploy.compose.report import ComposeReport, Rolling, ServiceReport
from fairdeploy.compose.roles import role
from fairdeploy.compose.rules import RULES
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Severity

if TYPE_CHECKING:
    from collections.abc import Collection

    from fairdeploy.compose.file import ComposeFile, Service

__all__ = ["check_compose"]

_ORDER = list(Severity)


def check_compose(file: ComposeFile, *, stateful: Collection[str] = ()) -> ComposeReport:
    """Judge each service of a file: can a new version replace the old one without a gap, and what is to be done?

    It tells what file and Dockerfile tell. What only shows when it runs (whether SIGTERM is honoured, whether two
    versions agree on the schema) is looked at by the validator before a plan is run.

    Args:
        file: As `read_compose` returns it.
        stateful: Services with data of their own that may be rolled all the same: both versions may write at once.

    Returns:
        A report that shows itself as text, in rich and in notebooks.

    Raises:
        InvalidInput: If ``stateful`` names a service that the file does not have.
    """
    if isinstance(stateful, str):
        raise InvalidInput(f"stateful must be a collection of service names, not {stateful!r}")
    for name in stateful:
        file.service(name)
    reports = tuple(_judged(service, file, stateful) for _, service in sorted(file.services.items()))
    return ComposeReport(file.name, files=file.files, services=reports, unset=file.unset)


def _judged(service: Service, file: ComposeFile, opted_in: Collection[str]) -> ServiceReport:
    case = Case(service, file, role(service, file, opted_in), service.name in opted_in)
    remarks = sorted(
        (remark for rule in RULES for remark in rule(case)), key=lambda remark: _ORDER.index(remark.severity)
    )
    worst = remarks[0].severity if remarks else Severity.INFO
    return ServiceReport(service.name, role=case.role, rolling=_rolling(case, worst), remarks=tuple(remarks))


def _rolling(case: Case, worst: Severity) -> Rolling:
    if case.role == "one-shot":
        return Rolling.JOB
    if case.role == "stateful":
        return Rolling.STATEFUL
    return {Severity.CRITICAL: Rolling.BLOCKED, Severity.WARNING: Rolling.CARE, Severity.INFO: Rolling.READY}[
        worst
    ]

"""A service before its judges. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.compose.report import Remark

if TYPE_CHECKING:
    from fairdeploy.compose.file import ComposeFile, Service
    from fairdeploy.compose.report import Role
    from fairdeploy.model import Severity

__all__ = ["Case"]


@final
@dataclass(frozen=True, slots=True)
class Case:
    """A service before its judges: itself, the file around it, and what it is to a rollout."""

    service: Service
    file: ComposeFile
    role: Role
    opted_in: bool

    def remark(self, rule: str, severity: Severity, message: str, remedy: str, *key: str) -> Remark:
        """Return a remark that points at a key of the service."""
        place = self.file.place("services", self.service.name, *key)
        return Remark(rule, severity=severity, message=message, remedy=remedy, place=place)

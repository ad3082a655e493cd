"""A check given as a callable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

from fairdeploy.model import CheckResult, Instance, Target

__all__ = ["HealthCheck", "Subject"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a check is asked about.

    Args:
        target: Where.
        revision: Whose instances, empty for checks of scope ``shared``.
        instances: The instances to ask, with their addresses.
    """

    target: Target
    revision: str = ""
    instances: tuple[Instance, ...] = ()


class HealthCheck(Protocol):
    """Any async callable that answers a question about a subject.

    An exception becomes the verdict ``error``; taking longer than the guard's interval allows does too.
    """

    async def __call__(self, subject: Subject, /) -> CheckResult:
        """Return what was found."""
        ...

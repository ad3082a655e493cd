"""How often, how long and how seriously a check is asked."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model.check import is_asked, is_data

if TYPE_CHECKING:
    from fairdeploy.model import Asked, Scope
    from fairdeploy.protocols import HealthCheck

__all__ = ["Duration", "HealthRule"]

Duration: TypeAlias = timedelta | float
"""A ``timedelta``, or a number of seconds."""

_CALLABLE = timedelta(seconds=10)


@final
@dataclass(frozen=True, slots=True)
class HealthRule:
    """A check, and what its answers count.

    Args:
        check: Data, or any async callable that takes a `protocols.Subject` and returns a `model.CheckResult`.
        required: Whether the deployment is healthy only while this passes. An advisory check is told, no more.
        successes: Answers in a row that pass before the check does. Default 1.
        failures: Answers in a row that do not pass before the check no longer does. Default 1.
        initial_delay: Time from the first look in which it is not asked. Default none.
        cache: Time for which an answer is good; who looks again within it gets the same. Default none.
        timeout: For the whole answer; ``None``: what the check itself says, and 10 s for a callable.

    Raises:
        InvalidInput: If a value is out of range, or the check can only be judged from counters.
    """

    check: Asked | HealthCheck
    _: KW_ONLY
    required: bool = True
    successes: int = 1
    failures: int = 1
    initial_delay: Duration = 0
    cache: Duration = 0
    timeout: Duration | None = None

    def __post_init__(self) -> None:
        """Prove the values, and keep each in one form."""
        if is_data(self.check):
            if not is_asked(self.check):
                raise InvalidInput(
                    f"{self.check!r} is judged from what the router counts in a rollout, and cannot be asked: "
                    "give it to a strategy as analysis="
                )
        elif not callable(self.check):
            raise InvalidInput(
                f"a check must be data such as HTTPCheck('/health'), or an async callable, not {self.check!r}"
            )
        _check.flag(self.required, "required")
        _check.whole(self.successes, "successes", low=1)
        _check.whole(self.failures, "failures", low=1)
        for name in ("initial_delay", "cache"):
            kept = timedelta(milliseconds=_check.milliseconds(getattr(self, name), name))
            object.__setattr__(self, name, kept)
        if self.timeout is not None:
            kept = timedelta(milliseconds=_check.milliseconds(self.timeout, "timeout", low=10))
            object.__setattr__(self, "timeout", kept)
        elif not is_data(self.check):
            object.__setattr__(self, "timeout", _CALLABLE)

    @property
    def scope(self) -> Scope | None:
        """The check's, ``None`` for a callable, which is given the subject and may ask what it likes."""
        return self.check.scope if is_data(self.check) else None

"""What is looked at before anything moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, final, runtime_checkable

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Aspect, Finding, Release, Target

if TYPE_CHECKING:
    from fairdeploy.protocols.backend import Backend

__all__ = ["Scene", "Validated", "Validation"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a validation looks at.

    Args:
        backend: Where it is to run.
        target: Where there.
        release: What is to run.
        rehearse: Whether a throw-away instance may run beside what is there: not where old and
            new must never run together, nor where something has to be done before a start.
        path: What such an instance is asked under load; ``None``: its readiness probe's path, else ``/``.
    """

    backend: Backend
    target: Target
    release: Release
    rehearse: bool = True
    path: str | None = None


_Look: TypeAlias = Callable[[Scene], Awaitable[Sequence[Finding]]]
"""Looks, changes nothing, and returns what it found: nothing, if there was nothing to look at."""


@final
@dataclass(frozen=True, slots=True)
class Validation:
    """One thing to look at, with its name.

    Args:
        name: How it is named in the report, and left out by ``without``.
        aspect: When it is its turn: aspects are looked at one after the other, all of one aspect at once.
        look: What finds out. An exception in it is a warning that it could not be found out, as is
            taking too long: a validation that must refuse says so in a `Finding` of its own.
        deadline: Seconds that it may take, default 20.

    Raises:
        InvalidInput: If it has no name, cannot be called, or no time.
    """

    name: str
    _: KW_ONLY
    aspect: Aspect
    look: _Look
    deadline: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what could not be run or reported."""
        object.__setattr__(self, "aspect", Aspect(self.aspect))
        if not isinstance(self.name, str) or not self.name.strip():
            msg = f"a validation needs a name, such as 'licence', not {self.name!r}"
            raise InvalidInput(msg)
        if not callable(self.look):
            msg = f"validation {self.name!r} needs an async function that looks, not {self.look!r}"
            raise InvalidInput(msg)
        if isinstance(self.deadline, bool) or not 0 < self.deadline < 3_600:
            msg = f"the deadline of validation {self.name!r} must be from 0 to 3600 seconds, not {self.deadline!r}"
            raise InvalidInput(msg)


@runtime_checkable
class Validated(Protocol):
    """What a `Backend` may be as well: it knows more to look at than what every backend has.

    `Preflight.check` is what a *plan* is refused for, at once and always. These take their time, are
    looked at before a plan is *run*, and can be left out.
    """

    def validations(self) -> Sequence[Validation]:
        """Return what else to look at before a release comes to a target: both are in the scene. Does nothing yet."""
        ...

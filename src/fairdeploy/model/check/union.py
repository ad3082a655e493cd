"""Any check that a plan can carry, and several of them as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, final, get_args

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT, Tagged
from fairdeploy.model.check.bound import BoundCheck
from fairdeploy.model.check.command import CommandCheck
from fairdeploy.model.check.comparison import ErrorComparison, LatencyComparison, SampleRatio
from fairdeploy.model.check.http import HTTPCheck
from fairdeploy.model.check.oidc import OIDCCheck
from fairdeploy.model.check.postgres import PostgresCheck
from fairdeploy.model.check.prometheus import PrometheusCheck
from fairdeploy.model.check.scope import Scope
from fairdeploy.model.check.storage import StorageCheck
from fairdeploy.model.check.tcp import TCPCheck
from fairdeploy.model.check.threshold import ErrorRate, Latency

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = ["Asked", "Check", "Quorum", "all_of", "any_of", "bound_in", "is_asked", "is_data"]


@final
@dataclass(frozen=True, slots=True)
class Quorum:
    """So many of several checks pass. `all_of` and `any_of` are its two ends.

    It fails once too many have failed for the rest to make up for, and while that is open, as some
    could not be asked, it is neither a pass nor a fail.

    Args:
        checks: What is asked, all at once; of one scope.
        need: How many must pass, from 1 to all.

    Raises:
        InvalidInput: If there is no check, one that counts requests, or checks of different scopes.
    """

    __pydantic_config__ = STRICT

    checks: Sequence[Asked]
    _: KW_ONLY
    need: int
    kind: Literal["quorum"] = "quorum"

    def __post_init__(self) -> None:
        """Prove members and number."""
        if not isinstance(self.checks, (list, tuple)) or not self.checks:
            raise InvalidInput(f"a Quorum needs checks: Quorum([a, b, c], need=2), not {self.checks!r}")
        object.__setattr__(self, "checks", tuple(self.checks))
        for check in self.checks:
            if not isinstance(check, _ASKED):
                raise InvalidInput(
                    f"a Quorum takes checks that are asked, not {check!r}: give that on its own"
                )
        if len({check.scope for check in self.checks}) > 1:
            raise InvalidInput(
                "a Quorum of both scopes could send a revision back for what it shares: make one of each scope"
            )
        _check.whole(self.need, "need", low=1, high=len(self.checks))

    @property
    def scope(self) -> Scope:
        """That of its checks."""
        return self.checks[0].scope


Asked: TypeAlias = Annotated[
    HTTPCheck
    | TCPCheck
    | CommandCheck
    | BoundCheck
    | PostgresCheck
    | OIDCCheck
    | StorageCheck
    | PrometheusCheck
    | Quorum,
    Tagged(),
]
"""A check that is asked, and answers."""

Check: TypeAlias = Annotated[
    HTTPCheck
    | TCPCheck
    | CommandCheck
    | BoundCheck
    | PostgresCheck
    | OIDCCheck
    | StorageCheck
    | PrometheusCheck
    | Quorum
    | ErrorRate
    | Latency
    | ErrorComparison
    | LatencyComparison
    | SampleRatio,
    Tagged(),
]
"""Any check that a plan can carry: one that is asked, or one that is judged from what the router counts."""

_ASKED: tuple[type, ...] = get_args(get_args(Asked)[0])
_KINDS: tuple[type, ...] = get_args(get_args(Check)[0])


def is_data(value: object) -> TypeIs[Check]:
    """Whether a check travels in a plan; any other is a callable, bound by its name."""
    return isinstance(value, _KINDS)


def is_asked(check: Check) -> TypeIs[Asked]:
    """Whether a check is asked; any other is judged from what the router counts."""
    return isinstance(check, _ASKED)


def all_of(*checks: Asked) -> Quorum:
    """Return that all of several checks pass.

    Raises:
        InvalidInput: As `Quorum`.
    """
    return Quorum(checks, need=max(1, len(checks)))


def any_of(*checks: Asked) -> Quorum:
    """Return that at least one of several checks passes.

    Raises:
        InvalidInput: As `Quorum`.
    """
    return Quorum(checks, need=1)


def bound_in(check: Check) -> Iterator[BoundCheck]:
    """Yield the callables that a check names, itself or one within it."""
    if isinstance(check, BoundCheck):
        yield check
    elif isinstance(check, Quorum):
        for each in check.checks:
            yield from bound_in(each)

"""What happened in a simulated world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from fairdeploy.model import InstanceId, TargetId

__all__ = ["Cause", "Effect", "Loss"]

Cause: TypeAlias = Literal["stopped", "crashed", "lost", "not_ready", "no_member"]
"""Why a request was lost; see `Loss`."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A call that may change the world.

    Args:
        at: Virtual time in seconds.
        name: Such as ``backend.ensure`` or ``router.apply``.
        target: Where.
        key: Idempotency key of the call.
        epoch: Epoch of the call.
        detail: Its arguments, for people.
        changed: Whether it changed anything: a repeated call does not.
    """

    at: float
    name: str
    target: TargetId
    key: str
    epoch: int
    detail: str = ""
    changed: bool = True


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A request that reached the router and got no answer from the application.

    Args:
        at: Virtual time in seconds.
        target: Where.
        instance: Where it was sent; empty if nowhere.
        cause: ``stopped``: its instance was stopped in the middle; ``crashed``: it crashed;
            ``lost``: it died for good;
            ``not_ready``: it was sent to an instance that did not listen; ``no_member``: the
            revision had no healthy member.
    """

    at: float
    target: TargetId
    instance: InstanceId = ""
    cause: Cause

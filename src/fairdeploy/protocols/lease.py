"""Who may act on a target, and the token that proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fairdeploy.model.result import RolloutId

__all__ = ["Baton", "Fence", "Lease"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to act for a rollout, until it expires or is taken over.

    Args:
        rollout: For which rollout. It covers every target of the rollout's plan.
        epoch: The fencing token: grows with every take-over of any of the targets, never with a renewal.
        holder: Who holds it, as written by `fairdeploy.engine`.
        expires_ms: Wall clock of the journal, milliseconds since 1970.
        ttl_ms: Time to live that a renewal grants anew.
    """

    rollout: RolloutId
    epoch: int
    holder: str
    expires_ms: int
    ttl_ms: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What goes with every effect.

    Args:
        epoch: Of the lease under which it is applied. A backend that can refuses an older one.
        key: Idempotency key: the same for every attempt of one step of one rollout.
    """

    epoch: int
    key: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Baton:
    """What a holder hands to the next one with a lease, so that nothing is lost or done twice in between.

    Args:
        epoch: Of the lease: whoever finds another one in the journal was overtaken.
        step: What comes next.
        obeyed: Commands up to this position in the journal were obeyed.
        skips: Waits that a `promote` has yet to end.
        full: Whether it is to end all that are left.
    """

    epoch: int
    step: str = ""
    obeyed: int = 0
    skips: int = 0
    full: bool = False

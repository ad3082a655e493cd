"""The step that the platform carries out by itself. It belongs to the union in `fairdeploy.model.step`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.release import RevisionId
from fairdeploy.model.split import WHOLE
from fairdeploy.model.target import TargetId

__all__ = ["Delegate"]


@final
@dataclass(frozen=True, slots=True)
class Delegate:
    """Let the platform's own rolling update bring a revision everywhere, and watch that one until it is whole.

    The way back is the same step, to the revision that was stable.

    Args:
        id: Unique in the plan.
        target: Where.
        revision: What is to run there alone in the end.
        replicas: How many instances; ``None``: as many as the platform has now (an autoscaler decides).
        max_surge: Instances above that number.
        max_unavailable: Instances that may be missing.
        min_ready_ms: How long an instance must have stayed ready to count.
        shares: The revision's shares of the traffic one after the other, in basis points up to all of them, as the
            platform is to move it; empty: the traffic follows the instances.
        bakes_ms: How long it watches after each of them.
        deadline_ms: For all of it.

    Raises:
        InvalidInput: If a number is out of range, nothing could ever be replaced, or the shares do not lead to all.
    """

    __pydantic_config__ = STRICT

    id: str
    _: KW_ONLY
    target: TargetId
    revision: RevisionId
    replicas: int | None = None
    max_surge: int = 1
    max_unavailable: int = 0
    min_ready_ms: int = 0
    shares: tuple[int, ...] = ()
    bakes_ms: tuple[int, ...] = ()
    deadline_ms: int = 600_000
    kind: Literal["delegate"] = "delegate"

    def __post_init__(self) -> None:
        """Prove the bounds."""
        _check.whole(self.max_surge, "max_surge", low=0)
        _check.whole(self.max_unavailable, "max_unavailable", low=0)
        if not self.max_surge and not self.max_unavailable:
            msg = f"step {self.id!r}: max_surge and max_unavailable cannot both be 0: no instance could ever be replaced"
            raise InvalidInput(msg)
        if len(self.shares) != len(self.bakes_ms):
            msg = f"step {self.id!r} has {len(self.shares)} shares and {len(self.bakes_ms)} bakes: give one for each"
            raise InvalidInput(msg)
        if self.shares and (list(self.shares) != sorted({*self.shares}) or self.shares[-1] != WHOLE):
            msg = f"step {self.id!r}: shares must increase up to {WHOLE} basis points, unlike {self.shares!r}"
            raise InvalidInput(msg)
        for share, pause in zip(self.shares, self.bakes_ms, strict=True):
            _check.whole(share, "shares", low=1)
            _check.whole(pause, "bakes_ms", low=0)

"""What becomes of a candidate about which nobody has decided when it was watched long enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.verdict import Action

__all__ = ["Undecided"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """The policy for a comparison that is neither a pass nor a fail when the whole bake is over.

    That is the usual end on a quiet site: 1 request a second is 1,500 requests in 25 minutes, and a
    pass at 0.1 % errors takes some 39,000. The default, ``promote-undecided``: what was watched for
    the whole bake is promoted if no check on it ever failed and the fail side is far; if it is near,
    the rollout holds and goes on counting, at most for the guard's hold limit.

    Args:
        far: What follows if no check failed and the fail side is far.
        near: What follows otherwise.
        limit: Up to which part of the way to a conviction the fail side is far, 0 to 1. The way is
            measured on the logarithm of the evidence: 0.5 at α = 0.05 is an e-value of 4.5, of 20.

    Raises:
        InvalidInput: If the limit is out of range.
    """

    __pydantic_config__ = STRICT

    far: Action = Action.CONTINUE
    near: Action = Action.HOLD
    limit: float = 0.5

    def __post_init__(self) -> None:
        """Prove the limit; a whole number is stored as a float, so that hashes agree."""
        if (
            isinstance(self.limit, bool)
            or not isinstance(self.limit, (int, float))
            or not 0 <= self.limit <= 1
        ):
            msg = f"limit must be from 0 (any evidence is near) to 1 (none is), not {self.limit!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "limit", float(self.limit))
        for name in ("far", "near"):
            if not isinstance(getattr(self, name), Action):
                msg = f"{name} must be an Action, such as Action.PAUSE, not {getattr(self, name)!r}"
                raise InvalidInput(msg)

    @property
    def name(self) -> str:
        """What the policy is called in plans and results."""
        return "promote-undecided" if self.far is Action.CONTINUE else f"{self.far}-undecided"

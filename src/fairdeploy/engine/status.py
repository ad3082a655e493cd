"""What a target looks like now, and what is being done to it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from fairdeploy.model import Deployment, Target
    from fairdeploy.protocols import RolloutInfo

__all__ = ["Status"]


@final
@dataclass(frozen=True, slots=True)
class Status:
    """What a target looks like now.

    Args:
        target: The target.
        deployment: What is there, with the router's split.
        rollout: The rollout that acts on it, or ``None``.
    """

    target: Target
    _: KW_ONLY
    deployment: Deployment
    rollout: RolloutInfo | None = None

    def __str__(self) -> str:
        """Return it as people read it: a line per revision."""
        lines = [f"{self.target.id}: {self.deployment.split or 'no traffic'}"]
        for revision in self.deployment.revisions:
            mark = "stable" if revision.id == self.deployment.stable else "      "
            ready = f"{len(revision.ready)}/{len(revision.active)} ready"
            share = self.deployment.split.percent(revision.id) if self.deployment.split else 0.0
            lines.append(f"  {mark}  {revision.id}  {ready}  {share:g} %")
        if self.rollout is not None:
            lines.append(f"  rollout {self.rollout.id} ({self.rollout.plan.strategy}) is under way")
        return "\n".join(lines)

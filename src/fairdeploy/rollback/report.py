"""What a rollback did, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.model import DeploymentState, RevisionId, RolloutId, RolloutResult, TargetId

__all__ = ["Deed", "RollbackReport"]


@final
@dataclass(frozen=True, slots=True)
class Deed:
    """One step of a rollback.

    Args:
        name: Which.
        ok: Whether it did what it was to do.
        detail: What came of it.
    """

    name: str
    _: KW_ONLY
    ok: bool
    detail: str = ""

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{'done  ' if self.ok else 'FAILED'}  {self.name}" + (
            f": {self.detail}" if self.detail else ""
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReport:
    """How a rollback ended, and what is to be done about it.

    Args:
        deployment: The rollout that was gone back from.
        outcome: ``rolled_back``: an earlier verified revision serves and is healthy, databases included;
            ``needs_attention``: something did not go as it should, and a person must look.
        before: What was there before, at each target that was deployed together.
        after: What was there in the end, likewise.
        deeds: The steps, in order.
        emergency: The steps of the emergency procedure, if one failed.
        result: The rollout that went back, if it came to that.
    """

    deployment: RolloutId
    outcome: Literal["rolled_back", "needs_attention"]
    before: tuple[DeploymentState, ...]
    after: tuple[DeploymentState, ...]
    deeds: tuple[Deed, ...] = ()
    emergency: tuple[Deed, ...] = ()
    result: RolloutResult | None = None

    @property
    def serving(self) -> Mapping[TargetId, RevisionId | None]:
        """The stable revision in the end, by target."""
        return {state.target: state.stable for state in self.after}

    def __str__(self) -> str:
        """Return it as people read it."""
        outcome = self.outcome.replace("_", " ")
        serves = ", ".join(
            f"{revision or 'nothing'} serves {target}" for target, revision in self.serving.items()
        )
        lines = [f"{outcome}: {serves}, from rollout {self.deployment}"]
        lines += [f"  {deed}" for deed in self.deeds]
        if self.emergency:
            lines += ["emergency procedure:", *(f"  {deed}" for deed in self.emergency)]
        return "\n".join(lines)

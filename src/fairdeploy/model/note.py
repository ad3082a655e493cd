"""What those who look after a rollout write down beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from fairdeploy.model._tagged import STRICT
from fairdeploy.model.state import DeploymentState

__all__ = ["Noted"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that whoever looks after a rollout wrote down, before or after its end. Not fenced.

    Args:
        topic: ``hold`` puts its targets on hold; ``state`` is what a target was like; ``rollback`` is told of a rollback;
            ``emergency`` is for a person, at once.
        message: For people.
        by: Who wrote it, as ``user@host:pid``.
        state: For ``state``.
    """

    __pydantic_config__ = STRICT

    topic: Literal["hold", "state", "rollback", "emergency"]
    message: str = ""
    by: str = ""
    state: DeploymentState | None = None
    kind: Literal["noted"] = "noted"

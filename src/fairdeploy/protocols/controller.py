"""What carries out a rollout that the platform does itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, final, runtime_checkable

from fairdeploy.model import Delegate, Release, Target
from fairdeploy.protocols.lease import Fence

__all__ = ["Progress", "RolloutController"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the platform has come with one revision.

    Args:
        phase: ``running``, ``succeeded`` (it serves alone, whole) or ``failed`` (it will not come about by itself).
        message: What the platform says, in a few words.
        output: Last words of the revision's instances, where it failed.
    """

    phase: Literal["running", "succeeded", "failed"]
    message: str
    output: tuple[str, ...] = ()


@runtime_checkable
class RolloutController(Protocol):
    """What a `Backend` may be as well, where it declares ``DELEGATED``: the platform replaces instances by itself."""

    async def delegate(
        self, target: Target, step: Delegate, release: Release | None, fence: Fence
    ) -> Progress:
        """Ask the platform for a revision, once per key, and return how far it has come with exactly that one.

        Called again, with the same key, until it has ended. What somebody else asks the platform for in between is
        ``failed``, never undone in silence.

        Args:
            target: Where.
            step: What is asked.
            release: Of the revision; ``None``: one that the platform remembers, as on the way back.
            fence: Under which.

        Raises:
            StartError: If the platform refuses it, or remembers no such revision.
            Fenced: See `Backend`.
        """
        ...

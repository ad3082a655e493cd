"""What goes over Temporal's wire between a workflow and its activities: small, plain, nothing that acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from fairdeploy.protocols.lease import Baton

__all__ = [
    "BEGIN",
    "SEND",
    "STEP",
    "TASK_QUEUE",
    "Asked",
    "Begun",
    "Order",
    "Progress",
    "Send",
    "Turn",
    "Turned",
]

BEGIN = "fairdeploy.begin"
STEP = "fairdeploy.step"
SEND = "fairdeploy.send"
"""Names of the activities: what a worker of another version answers to."""
TASK_QUEUE = "fairdeploy"
"""Where rollouts wait for workers, unless another queue is named."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A rollout to be carried out.

    Args:
        plan: The plan's canonical text: what an approval approved, to the byte.
        on_conflict: As `Deployer.run` takes it.
        validate: Whether to look first whether it can work; ``None``: as the worker's deployer was told.
        heartbeat_ms: After so long without a sign of life a worker counts as dead.
    """

    plan: str
    on_conflict: Literal["refuse", "queue", "supersede"] = "refuse"
    validate: bool | None = None
    heartbeat_ms: int = 10_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A rollout that stands in the journal.

    Args:
        rollout: Its id there.
        backend: Whose journal it is.
        target: The first that its plan names.
        steps: Of the plan, in order.
        baton: For the first turn.
    """

    rollout: str
    backend: str
    target: str
    steps: list[str]
    baton: Baton


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The next step of a rollout. Arguments as in `Begun`; without a baton, if the turn before was overtaken."""

    rollout: str
    backend: str
    target: str
    baton: Baton | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What a turn has come to.

    Args:
        baton: For the next turn; ``None`` if somebody else acts.
        result: How the rollout ended, as text of the journal; ``None`` while it goes on.
    """

    baton: Baton | None = None
    result: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command to a rollout, as in `fairdeploy.model.Command`.

    Args:
        reason: For the record.
        by: Who asks.
        full: For ``promote``: also all waits that are left.
    """

    reason: str = ""
    by: str = ""
    full: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A command on its way to the journal."""

    rollout: str
    backend: str
    verb: Literal["pause", "resume", "promote", "abort"]
    asked: Asked


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rollout has come, as its workflow knows; the journal knows more.

    Args:
        rollout: Its id in the journal; empty before it has begun.
        step: The one that is under way, or comes next.
        done: How many steps are done.
        of: How many there are.
        result: As in `Turned`.
    """

    rollout: str = ""
    step: str = ""
    done: int = 0
    of: int = 0
    result: str | None = None

"""Where revisions run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, final

from fairdeploy.model import Capability, Deployment, InstanceId, Job, Release, RevisionId, Target
from fairdeploy.protocols.journal import Journal
from fairdeploy.protocols.lease import Fence
from fairdeploy.protocols.router import TrafficRouter

__all__ = ["Backend", "JobState"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How far a job has come.

    Args:
        phase: ``running``, ``succeeded`` or ``failed``.
        exit_code: Of the process, if it has ended and told.
        output: Its last lines, oldest first.
    """

    phase: Literal["running", "succeeded", "failed"]
    exit_code: int | None = None
    output: tuple[str, ...] = ()


class Backend(Protocol):
    """Where revisions run.

    Every effect is level-triggered: it is called again, with the same key, until it is
    observed, and calling it when all is done already does nothing. Each returns when it has
    been asked for, not when it has come about: `observe` tells that.

    An effect under an epoch older than one already seen for the target raises `Fenced`,
    where `capabilities` holds ``FENCED``.
    """

    @property
    def uri(self) -> str:
        """How to open the same backend again from another process, such as ``local:///srv/deployments``."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do, the router's abilities included."""
        ...

    @property
    def router(self) -> TrafficRouter | None:
        """What splits traffic, or ``None`` if nothing does."""
        ...

    @property
    def journal(self) -> Journal:
        """Where its targets' leases and records live."""
        ...

    async def observe(self, target: Target) -> Deployment:
        """Return what is there now. ``split`` is left ``None`` where a router knows it.

        A target never seen is an empty deployment, not an error.

        Raises:
            BackendError: If it cannot be observed.
        """
        ...

    async def ensure(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """Bring a revision to ``replicas`` instances, not counting those in ``drained``, which are stopped.

        Only raises the number or stops what ``drained`` names: an instance that is not named
        is never stopped, even if there are more than asked for.

        Raises:
            StartError: If an instance cannot be started at all.
            Fenced: See the class.
        """
        ...

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        """Mark instances as on their way out: `Instance.quiescing`. They are not stopped.

        Raises:
            Fenced: See the class.
        """
        ...

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Stop every instance of a revision (signal, grace, kill) and forget it.

        Raises:
            Fenced: See the class.
            BackendError: If it is the stable revision.
        """
        ...

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Write the stable mark, durably.

        Raises:
            Fenced: See the class.
        """
        ...

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, fence: Fence
    ) -> JobState:
        """Start a job once per key, and return how far it has come.

        Raises:
            Fenced: See the class.
        """
        ...

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """Return the last words of each instance, also of those that have exited, oldest line first."""
        ...

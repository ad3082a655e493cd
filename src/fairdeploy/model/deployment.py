"""What is there now."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias, final

from fairdeploy.model.canonical import digest
from fairdeploy.model.release import RevisionId
from fairdeploy.model.split import Split
from fairdeploy.model.target import TargetId

__all__ = ["Deployment", "Instance", "InstanceId", "Revision"]

InstanceId: TypeAlias = str


@final
@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a revision.

    Args:
        id: Unique within the target, never used twice.
        revision: Whose copy it is.
        address: ``host:port`` or ``unix:/path``; ``None`` for a worker.
        ready: Its readiness probe passes (or, without one, its port accepts connections).
        quiescing: Marked to be drained: it gets no new work and will be stopped.
        state: ``starting``, ``running``, ``backoff`` (crashed, to be restarted) or ``exited``.
        restarts: How often it has been restarted by its keeper.
        detail: Why it is not ready, in a few words; empty if it is.
    """

    id: InstanceId
    _: KW_ONLY
    revision: RevisionId
    address: str | None = None
    ready: bool = False
    quiescing: bool = False
    state: Literal["starting", "running", "backoff", "exited"] = "starting"
    restarts: int = 0
    detail: str = ""

    @property
    def serving(self) -> bool:
        """Whether it may be given new work."""
        return self.ready and not self.quiescing


@final
@dataclass(frozen=True, slots=True)
class Revision:
    """One release as it stands on a backend.

    Args:
        id: ``version-<hash>``.
        replicas: Instances wanted, not counting those that quiesce.
        instances: What is there, in a stable order, oldest first as far as the platform tells ages.
    """

    id: RevisionId
    _: KW_ONLY
    replicas: int
    instances: tuple[Instance, ...] = ()

    @property
    def active(self) -> tuple[Instance, ...]:
        """Instances that do not quiesce."""
        return tuple(i for i in self.instances if not i.quiescing)

    @property
    def ready(self) -> tuple[Instance, ...]:
        """Instances that may be given new work."""
        return tuple(i for i in self.instances if i.serving)

    @property
    def quiescing(self) -> tuple[Instance, ...]:
        """Instances on their way out."""
        return tuple(i for i in self.instances if i.quiescing)


@final
@dataclass(frozen=True, slots=True)
class Deployment:
    """What a target looks like now.

    Args:
        target: ``app/environment``.
        revisions: Every revision that is there, in a stable order.
        stable: The revision last promoted, or ``None`` before the first.
        split: Present traffic as the router has it, or ``None`` for no traffic.
    """

    target: TargetId
    _: KW_ONLY
    revisions: tuple[Revision, ...] = ()
    stable: RevisionId | None = None
    split: Split | None = None

    def revision(self, revision: RevisionId) -> Revision | None:
        """Return a revision by its id, or ``None`` if it is not there."""
        return next((r for r in self.revisions if r.id == revision), None)

    @property
    def fingerprint(self) -> str:
        """Hash of what a plan depends on: the stable mark and who has traffic.

        Replica counts are left out, so that an autoscaler does not make plans stale, and
        so are revisions without traffic, so that the end of a warm window does not either.
        """
        return digest({"stable": self.stable, "split": self.split})[:16]

"""Where what is written in a backend's folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import InstanceId, RevisionId, TargetId

__all__ = ["Layout"]


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one target. Names of applications and revisions are safe in paths: the model proves it.

    Args:
        root: The backend's folder.
        target: Whose.
    """

    root: Path
    target: TargetId

    @property
    def slug(self) -> str:
        """The target as one part of a path or program name."""
        return self.target.replace("/", "@")

    @property
    def base(self) -> Path:
        """Everything of the target."""
        return self.root / "targets" / self.slug

    @property
    def lock(self) -> Path:
        """Held while anything of the target is changed."""
        return self.base / "lock"

    @property
    def epoch(self) -> Path:
        """The highest epoch seen."""
        return self.base / "epoch.json"

    @property
    def stable(self) -> Path:
        """The revision last promoted."""
        return self.base / "stable.json"

    @property
    def counter(self) -> Path:
        """The last number given to an instance."""
        return self.base / "counter.json"

    @property
    def instances(self) -> Path:
        """A file for each instance, written before it is started."""
        return self.base / "instances"

    def instance(self, instance: InstanceId) -> Path:
        """How one instance is started."""
        return self.instances / f"{instance}.json"

    def run(self, instance: InstanceId) -> Path:
        """Its process: written by itself at each start."""
        return self.base / "run" / f"{instance}.json"

    def ready(self, instance: InstanceId) -> Path:
        """Exists once it has been ready."""
        return self.base / "run" / f"{instance}.ready"

    def quiescing(self, instance: InstanceId) -> Path:
        """Exists once it is on its way out."""
        return self.base / "run" / f"{instance}.quiescing"

    def log(self, instance: InstanceId) -> Path:
        """What it has written."""
        return self.base / "logs" / f"{instance}.log"

    def of(self, instance: InstanceId) -> tuple[Path, ...]:
        """Return every file of an instance; its own comes last, so that a half-removed one is still known."""
        log = self.log(instance)
        return (
            log,
            log.with_name(f"{log.name}.1"),
            self.ready(instance),
            self.quiescing(instance),
            self.run(instance),
            self.instance(instance),
        )

    def revision(self, revision: RevisionId) -> Path:
        """Everything of a revision but its instances."""
        return self.base / "revisions" / revision

    def wanted(self, revision: RevisionId) -> Path:
        """How many instances are wanted."""
        return self.revision(revision) / "wanted.json"

    def secrets(self, revision: RevisionId) -> Path:
        """Secrets from the deployer's environment: restarts need them when it has long exited."""
        return self.revision(revision) / "secrets" / "values.json"

    def job(self, revision: RevisionId, key: str) -> Path:
        """A job of a revision, by its idempotency key."""
        return self.revision(revision) / "jobs" / hashlib.sha256(key.encode()).hexdigest()[:20]

    def program(self, name: str) -> str:
        """What the keeper calls an instance or job."""
        return f"{self.slug}@{name}"

    def folders(self) -> tuple[Path, ...]:
        """List what must be there before anything is written."""
        return (self.base, self.instances, self.base / "run", self.base / "logs", self.base / "revisions")

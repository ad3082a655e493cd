"""What is written down of a target: small files in the backend's home."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, cast, final

from fairdeploy.errors import StateError
from fairdeploy.host import _files
from fairdeploy.model import CommandProbe, HTTPProbe, Probe, Probes, RevisionId, TCPProbe
from fairdeploy.model.canonical import plain

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.model import InstanceId, TargetId
    from fairdeploy.model.canonical import JSON

__all__ = ["Paper", "Place", "Record"]


@final
@dataclass(frozen=True, slots=True)
class Record:
    """A revision as it is started, today or when one of its containers is replaced.

    Args:
        revision: Which.
        number: Its place in the order in which revisions came.
        replicas: Instances wanted.
        image: Id of the image: a tag that has moved since means another one.
        port: Where it listens in its container; ``None``: nowhere, or nobody knows.
        checked: Whether Docker has a health check for it.
        probes: How it is asked.
        secrets: Names of the variables that are secrets.
    """

    revision: RevisionId
    _: KW_ONLY
    number: int
    replicas: int
    image: str
    port: int | None = None
    checked: bool = False
    probes: Probes = field(default_factory=Probes)
    secrets: tuple[str, ...] = ()

    @classmethod
    def decoded(cls, found: Mapping[str, JSON], path: Path) -> Record:
        """Return what was written.

        Raises:
            StateError: If this version did not write it.
        """
        try:
            probes = cast("dict[str, dict[str, JSON] | None]", found["probes"])
            return cls(
                str(found["revision"]),
                number=int(cast("int", found["number"])),
                replicas=int(cast("int", found["replicas"])),
                image=str(found["image"]),
                port=cast("int | None", found["port"]),
                checked=bool(found["checked"]),
                probes=Probes(**{key: _probe(each) for key, each in probes.items()}),
                secrets=tuple(cast("list[str]", found["secrets"])),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise StateError(
                f"file {str(path)!r} was not written by this version ({error}): use the one that did"
            ) from error


def _probe(found: dict[str, JSON] | None) -> Probe | None:
    if found is None:
        return None
    kinds: dict[str, Callable[..., Probe]] = {"http": HTTPProbe, "tcp": TCPProbe, "command": CommandProbe}
    return kinds[str(found["kind"])](**{key: value for key, value in found.items() if key != "kind"})


@final
@dataclass(frozen=True, slots=True)
class Paper:
    """A target on paper.

    Args:
        stable: The revision last promoted.
        records: By revision, in the order in which they came.
        quiescing: Instances on their way out.
        ready: Instances that have been ready once.
        kept: Revisions whose containers are kept stopped; no records are there for them.
    """

    stable: RevisionId | None
    records: Mapping[RevisionId, Record]
    quiescing: frozenset[InstanceId]
    ready: frozenset[InstanceId]
    kept: frozenset[RevisionId] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class Place:
    """The files of one target. Names of applications and revisions are safe in paths: the model proves it.

    Args:
        root: The backend's home.
        target: Whose.
        service: The service that it deploys.
    """

    root: Path
    target: TargetId
    service: str

    @property
    def base(self) -> Path:
        """Everything of the target."""
        return self.root / "targets" / self.target.replace("/", "@")

    @property
    def epoch(self) -> Path:
        """The highest epoch seen."""
        return self.base / "epoch.json"

    @property
    def stable(self) -> Path:
        """The revision last promoted."""
        return self.base / "stable.json"

    def revision(self, revision: RevisionId) -> Path:
        """Everything of a revision."""
        return self.base / "revisions" / revision

    def record(self, revision: RevisionId) -> Path:
        """How it is started."""
        return self.revision(revision) / "revision.json"

    def override(self, revision: RevisionId) -> Path:
        """What Compose is told beside the user's files."""
        return self.revision(revision) / "override.yaml"

    def config(self, revision: RevisionId) -> Path:
        """The folder of configuration files."""
        return self.revision(revision) / "config"

    def served(self, revision: RevisionId) -> Path:
        """Exists once a revision has been promoted."""
        return self.revision(revision) / "served"

    def kept(self, revision: RevisionId) -> Path:
        """Exists while a revision's containers are kept stopped."""
        return self.revision(revision) / "kept.json"

    def quiescing(self, instance: InstanceId) -> Path:
        """Exists while an instance is on its way out."""
        return self.base / "quiescing" / instance

    def ready(self, instance: InstanceId) -> Path:
        """Exists once an instance has been ready."""
        return self.base / "ready" / instance

    def job(self, revision: RevisionId, key: str) -> str:
        """Return a name for the container of a job, the same for the same key."""
        return hashlib.sha256(f"{self.target}\0{revision}\0{key}".encode()).hexdigest()[:20]

    def make(self) -> None:
        """Make the folders."""
        for name in ("revisions", "quiescing", "ready"):
            _files.private_folder(self.base / name)

    def read(self) -> Paper:
        """Read everything. Blocks: give it a thread.

        Raises:
            StateError: If a file is damaged.
        """
        folder, records, kept = self.base / "revisions", [], set()
        for path in folder.iterdir() if folder.is_dir() else ():
            if self.kept(path.name).exists():
                kept.add(path.name)
                continue
            found = _files.read_json(self.record(path.name))
            if found is not None:  # else it is being made just now, or being removed
                records.append(Record.decoded(found, path))
        stable = _files.read_json(self.stable)
        return Paper(
            None if stable is None else str(stable["revision"]),
            {each.revision: each for each in sorted(records, key=lambda one: (one.number, one.revision))},
            _names(self.base / "quiescing"),
            _names(self.base / "ready"),
            frozenset(kept),
        )

    def write(self, record: Record) -> None:
        """Write a revision down."""
        _files.private_folder(self.revision(record.revision))
        _files.write_json(self.record(record.revision), plain(record))

    def forget(self, instance: InstanceId) -> None:
        """Remove the marks of an instance that is gone."""
        _files.remove_files((self.quiescing(instance), self.ready(instance)))


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()

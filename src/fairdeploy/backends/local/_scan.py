"""What the files of a target say, read in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.backends.local._record import Record
from fairdeploy.host import _files
from fairdeploy.host._process import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.backends.local._layout import Layout
    from fairdeploy.model import RevisionId
    from fairdeploy.model.canonical import JSON

__all__ = ["Found", "Scan", "number", "ports", "records", "scan", "text"]


@final
@dataclass(frozen=True, slots=True)
class Found:
    """An instance on paper.

    Args:
        record: How it is started.
        identity: The process that it last was.
        port: The port of that process.
        starts: How often it was started.
        ever_ready: Whether it has been ready once.
        quiescing: Whether it is on its way out.
    """

    record: Record
    identity: Identity | None = None
    port: int | None = None
    starts: int = 0
    ever_ready: bool = False
    quiescing: bool = False


@final
@dataclass(frozen=True, slots=True)
class Scan:
    """A target on paper.

    Args:
        stable: The revision last promoted.
        wanted: Replicas by revision, in the order in which revisions came.
        instances: Oldest first.
    """

    stable: RevisionId | None
    wanted: Mapping[RevisionId, int]
    instances: tuple[Found, ...]

    def of(self, revision: RevisionId) -> tuple[Found, ...]:
        """Return the instances of a revision."""
        return tuple(each for each in self.instances if each.record.revision == revision)


def scan(layout: Layout) -> Scan:
    """Read everything about a target. Blocks: give it a thread.

    Raises:
        StateError: If a file is damaged.
    """
    wanted: dict[RevisionId, tuple[int, int]] = {}
    folder = layout.base / "revisions"
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _files.read_json(layout.wanted(path.name))
        if found is not None:  # else it is being made just now, or being removed
            wanted[path.name] = number(found, "number"), number(found, "replicas")
    order = sorted(wanted, key=lambda revision: (wanted[revision][0], revision))
    stable = _files.read_json(layout.stable)
    return Scan(
        None if stable is None else text(stable, "revision"),
        {revision: wanted[revision][1] for revision in order},
        tuple(_found(layout, record) for record in records(layout)),
    )


def records(layout: Layout) -> list[Record]:
    """Read the instances of a target, oldest first.

    Raises:
        StateError: If a file is damaged.
    """
    paths = layout.instances.glob("[!.]*.json") if layout.instances.is_dir() else ()
    found = [(path, _files.read_json(path)) for path in paths]
    known = [Record.decoded(each, path) for path, each in found if each is not None]
    return sorted(known, key=lambda record: record.number)


def ports(layout: Layout) -> set[int]:
    """Return the ports that a target's instances hold, running or not."""
    found = {each.port for each in records(layout)}
    runs = (_files.read_json(layout.run(each.id)) or {} for each in records(layout))
    return {port for port in (*found, *(number(run, "port") for run in runs)) if port}


def number(found: Mapping[str, JSON], key: str) -> int:
    """Return a whole number of a file, 0 if it has none."""
    value = found.get(key)
    return value if isinstance(value, int) else 0


def text(found: Mapping[str, JSON], key: str) -> str:
    """Return a text of a file, empty if it has none."""
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _found(layout: Layout, record: Record) -> Found:
    run = _files.read_json(layout.run(record.id))
    return Found(
        record,
        Identity.read(run),
        record.port if run is None or record.port is None else number(run, "port"),
        0 if run is None else number(run, "starts"),
        layout.ready(record.id).exists(),
        layout.quiescing(record.id).exists(),
    )

"""From paper, containers and probes to what is there: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from fairdeploy.backends.compose._readiness import Asked
from fairdeploy.model import Deployment, Instance, Revision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairdeploy.backends.compose._container import Container
    from fairdeploy.backends.compose._place import Paper, Place
    from fairdeploy.backends.compose._readiness import Standing
    from fairdeploy.model import RevisionId

__all__ = ["Found", "deployment", "note_ready", "running", "sorted_out"]

_State: TypeAlias = Literal["starting", "running", "backoff", "exited"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A target, on paper and in the engine.

    Args:
        paper: What is written down.
        ours: Containers by revision, of this target.
        found: Containers by revision that Compose made without us, where they are this target's.
        kept: Containers by revision that are kept stopped: nobody's, for now.
        port: Where those that we did not make listen.
    """

    paper: Paper
    ours: Mapping[RevisionId, Sequence[Container]]
    found: Mapping[RevisionId, Sequence[Container]]
    kept: Mapping[RevisionId, Sequence[Container]]
    port: int | None = None

    def of(self, revision: RevisionId) -> Sequence[Container]:
        """Return the containers of a revision."""
        return (*self.ours.get(revision, ()), *self.found.get(revision, ()))

    def everything(self) -> Iterator[Container]:
        """Go through all containers but those that are kept stopped."""
        for many in (*self.ours.values(), *self.found.values()):
            yield from many

    @property
    def stable(self) -> RevisionId | None:
        """The revision last promoted; before the first promotion, what Compose has made, the most of it."""
        if self.paper.stable is not None:
            return self.paper.stable
        sizes = {revision: len(containers) for revision, containers in self.found.items()}
        return max(sorted(sizes), key=lambda revision: sizes[revision], default=None)


def sorted_out(
    place: Place, paper: Paper, containers: Sequence[Container], *, adopts: bool, port: int | None
) -> Found:
    """Put containers to their revisions.

    Args:
        place: The target.
        paper: What is written down of it.
        containers: All of the service.
        adopts: Whether those that we did not make are this target's.
        port: Where those listen.
    """
    ours: dict[RevisionId, list[Container]] = {}
    found: dict[RevisionId, list[Container]] = {}
    kept: dict[RevisionId, list[Container]] = {}
    for each in containers:
        if each.target == place.target:
            if each.revision in paper.kept:
                kept.setdefault(each.revision, []).append(each)
            elif each.begun or each.state != "created":
                ours.setdefault(each.revision, []).append(each)
        elif adopts and each.target is None:
            found.setdefault(each.revision, []).append(each)
    return Found(paper=paper, ours=ours, found=found, kept=kept, port=port)


def running(seen: Found) -> list[Asked]:
    """List what can be asked: containers whose process runs."""
    asked: list[Asked] = []
    for revision, containers in (*seen.ours.items(), *seen.found.items()):
        record = seen.paper.records.get(revision)
        for each in containers:
            if each.state == "running":
                port = seen.port if record is None else record.port
                probe = None if record is None else record.probes.readiness
                checked = bool(each.health) if record is None else record.checked
                asked.append(Asked(each, _address(each, port), probe, checked))
    return asked


def note_ready(place: Place, seen: Found, standing: Mapping[str, Standing]) -> None:
    """Write down who is ready for the first time."""
    for each in seen.everything() if seen.paper.records else ():
        known = standing.get(each.id)
        if known is not None and known.ready and each.instance not in seen.paper.ready:
            place.ready(each.instance).touch(mode=0o600)


def _address(container: Container, port: int | None) -> tuple[str, int] | None:
    """Return where it listens, on the first of its networks by name."""
    hosts = [container.address[name] for name in sorted(container.address)]
    return (hosts[0], port) if hosts and port is not None else None


def deployment(place: Place, seen: Found, standing: Mapping[str, Standing]) -> Deployment:
    """Return what is there."""
    wanted = {revision: record.replicas for revision, record in seen.paper.records.items()}
    revisions = [
        *((revision, wanted.get(revision, len(many))) for revision, many in seen.found.items()),
        *wanted.items(),
    ]
    return Deployment(
        place.target,
        revisions=tuple(
            Revision(
                revision,
                replicas=replicas,
                instances=tuple(_instance(each, revision, seen, standing) for each in seen.of(revision)),
            )
            for revision, replicas in dict(revisions).items()
        ),
        stable=seen.stable,
    )


def _instance(
    each: Container, revision: RevisionId, seen: Found, standing: Mapping[str, Standing]
) -> Instance:
    record = seen.paper.records.get(revision)
    address = _address(each, seen.port if record is None else record.port)
    word, detail = _how(each, standing.get(each.id), ever=each.instance in seen.paper.ready)
    return Instance(
        each.instance,
        revision=revision,
        address=None if address is None else f"{address[0]}:{address[1]}",
        ready=not detail,
        quiescing=each.instance in seen.paper.quiescing,
        state=word,
        restarts=each.restarts,
        detail=detail,
    )


def _how(each: Container, standing: Standing | None, *, ever: bool) -> tuple[_State, str]:
    """Return the state and why the container is not ready, empty if it is."""
    match each.state:
        case "running" if standing is not None:
            word: _State = "running" if standing.ready or ever else "starting"
            return word, "" if standing.ready else standing.detail
        case "running" | "created":
            return "starting", "it is being started"
        case "paused":
            return "running", "it is paused"
        case "restarting":
            return "backoff", f"{_ended(each)}; Docker starts it again"
        case _:
            return "exited", _ended(each)


def _ended(each: Container) -> str:
    return each.error or f"exited with status {each.exit_code}"

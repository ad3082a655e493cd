"""Old containers that are kept stopped for a while: to go back, they need only be started again.

A revision that is kept is nobody's: it is not observed, and serves nothing. `docker compose up` would start every stopped
container beside the new ones, and so would ours: whoever makes another container drops what is kept of the service before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from anyio import to_thread

from fairdeploy.host import _files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fairdeploy.backends.compose._observing import Found
    from fairdeploy.backends.compose._place import Place
    from fairdeploy.backends.compose._site import Site
    from fairdeploy.model import RevisionId
    from fairdeploy.model.canonical import JSON

__all__ = ["awake", "drop", "is_due", "keep"]


async def keep(site: Site, place: Place, revision: RevisionId, seen: Found) -> None:
    """Stop a revision's containers, and only then write down that they are kept.

    Raises:
        BackendError: If the engine cannot stop one.
    """
    containers = (*seen.of(revision), *seen.kept.get(revision, ()))
    for each in containers:
        place.quiescing(each.instance).touch(mode=0o600)
    await site.engine.halt_all(containers)
    site.readiness.forget(containers)
    until = int(time.time() * 1000) + site.project.keep_stopped_ms
    kept = {"until": until, "service": place.service, "containers": [each.id for each in containers]}
    _files.write_json(place.kept(revision), cast("dict[str, JSON]", kept), durable=True)


async def awake(site: Site, place: Place, revision: RevisionId) -> Found:
    """Look at a target; what is kept of this revision is one again. Starting its containers is left to Compose.

    Raises:
        BackendError: If the engine cannot be asked.
    """
    seen = await site.seen(place)
    if revision not in seen.paper.kept:
        return seen
    for each in seen.kept.get(revision, ()):
        await to_thread.run_sync(place.forget, each.instance)
    _files.remove_files((place.kept(revision),))
    return await site.seen(place)


async def drop(site: Site, service: str | None = None) -> None:
    """Remove what is kept of a service, or all that has been kept for long enough. Hold the project's lock.

    Raises:
        BackendError: If the engine cannot remove one.
    """
    for path, said in await to_thread.run_sync(list, _kept(site.home)):
        if not (_over(said) if service is None else said["service"] == service):
            continue
        there = [await site.engine.container(name) for name in cast("list[str]", said["containers"])]
        await site.engine.stop_all([each for each in there if each is not None])
        for each in cast("list[str]", said["containers"]):
            _files.remove_files((path.parent.parent.parent / "quiescing" / each[:12],))
        await to_thread.run_sync(_files.remove_folder, path.parent)


def is_due(home: Path) -> bool:
    """Whether anything has been kept for long enough. Blocks."""
    return any(_over(said) for _, said in _kept(home))


def _kept(home: Path) -> Iterator[tuple[Path, dict[str, JSON]]]:
    for path in sorted(home.glob("targets/*/revisions/*/kept.json")):
        said = _files.read_json(path)
        if said is not None:
            yield path, said


def _over(said: dict[str, JSON]) -> bool:
    return int(str(said["until"])) <= time.time() * 1000

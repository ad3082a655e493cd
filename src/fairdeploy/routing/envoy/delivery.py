"""Handing documents to Envoy: in a safe order, and not before the one before it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import RouterError
from fairdeploy.routing._files import read, sync, tail, write
from fairdeploy.routing.envoy.clusters import eds_file
from fairdeploy.routing.envoy.documents import (
    Document,
    cluster_file,
    listener_file,
    member_file,
    route_file,
    secret_file,
    whole,
)
from fairdeploy.routing.envoy.places import eased
from fairdeploy.routing.envoy.process import LOG
from fairdeploy.routing.envoy.statistics import Loaded, loaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fairdeploy.routing.envoy.state import State

__all__ = ["Rejected", "awaited", "deliver", "is_delivered", "put", "reason", "refusals", "tidy"]

_POLL_S: Final = 0.001
_SLOW_POLL_S: Final = 0.02
_TAKE_S: Final = 10.0


class Rejected(RouterError):
    """Envoy refused a document; what it served by before is in force."""


def is_delivered(folder: Path, documents: Sequence[Document], seen: Loaded) -> bool:
    """Return whether every file lies on disk and is what Envoy has taken."""
    return all(_taken(document, seen) and _lies(folder, document) for document in documents)


def put(folder: Path, state: State) -> None:
    """Write every file, for an Envoy that is about to start.

    Raises:
        RouterError: If one cannot be written.
    """
    for document in whole(state):
        if not _lies(folder, document):
            write(folder, document.file, document.content)
    sync(folder)


def refusals(documents: Sequence[Document], seen: Loaded) -> list[str]:
    """Return the files that Envoy has refused ever since it started, and serves by no other version of."""
    return [
        document.file
        for document in documents
        if seen.subject(document.subject).refused and not seen.subject(document.subject).version
    ]


async def deliver(folder: Path, state: State, before: State | None, seen: Loaded) -> None:
    """Hand a state to a running Envoy, step by step: members come before the weights and go after them.

    Args:
        folder: The target's folder.
        state: What is to be served.
        before: What is served, or ``None`` if that is not known: then nobody goes before the weights have changed.
        seen: What Envoy has taken so far.

    Raises:
        Rejected: If Envoy refuses a file.
        RouterError: If one cannot be written, or is not taken in time.
        Unreachable: If Envoy has gone: what is written so far it finds when it comes back.
    """
    for place in state.places:
        if not (folder / eds_file(place)).exists():
            empty = member_file(place, empty=True)
            write(folder, empty.file, empty.content)
    last = [member_file(place) for place in state.places]
    waiting = eased(before, state)
    kept = secret_file(state)
    steps: list[list[Document]] = [
        [cluster_file(state)],
        last if waiting == state else [member_file(place) for place in waiting.places],
        [route_file(state)],
        [*([kept] if kept else []), listener_file(state)],
        last,
    ]
    for step in steps:
        seen = await _hand(folder, step, seen)
    sync(folder)


async def awaited(folder: Path, documents: Sequence[Document], before: Loaded) -> Loaded:
    """Wait until Envoy has taken documents.

    Raises:
        Rejected: If it refuses one.
        RouterError: If it has not taken all within 10 s.
        Unreachable: If Envoy has gone.
    """
    polls = 0
    seen = before
    try:
        with anyio.fail_after(_TAKE_S):
            while True:
                seen = await loaded(folder)
                missing = [document for document in documents if not _taken(document, seen)]
                if not missing:
                    return seen
                for document in missing:
                    if seen.subject(document.subject).refused > before.subject(document.subject).refused:
                        raise Rejected(f"Envoy refused {document.file!r}:{reason(folder)}")
                polls += 1
                # Envoy tells nobody when it has taken a file; it takes 1-5 ms unless the machine is busy.
                await anyio.sleep(_POLL_S if polls < 50 else _SLOW_POLL_S)
    except TimeoutError as exc:
        names = [document.file for document in documents if not _taken(document, seen)]
        raise RouterError(f"Envoy has not taken {names!r} within {_TAKE_S:g} s:{reason(folder)}") from exc


def reason(folder: Path) -> str:
    """Return the last words of Envoy's log, to end a message with."""
    lines = tail(folder / LOG)
    return "".join(f"\n  | {line}" for line in lines) or f" its log {str(folder / LOG)!r} is empty"


def tidy(folder: Path, state: State) -> None:
    """Remove the member files of places that are gone."""
    named = {eds_file(place) for place in state.places}
    for path in folder.glob("eds-s*.json"):
        if path.name not in named:
            path.unlink(missing_ok=True)


async def _hand(folder: Path, documents: Sequence[Document], seen: Loaded) -> Loaded:
    changed = [d for d in documents if not (_taken(d, seen) and _lies(folder, d))]
    for document in changed:
        write(folder, document.file, document.content)
    return await awaited(folder, changed, seen) if changed else seen


def _taken(document: Document, seen: Loaded) -> bool:
    return not document.subject or seen.subject(document.subject).version == document.version


def _lies(folder: Path, document: Document) -> bool:
    return read(folder, document.file) == document.content

"""What is remembered of a target between programs: one file, written atomically."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import RouterError
from fairdeploy.model import TLS, Member, Probe, RevisionId, Routes
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.canonical import canonical
from fairdeploy.routing.envoy.admin import UNREADABLE

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter

__all__ = ["STATE_FILE", "Place", "State", "decode", "encode", "load"]

STATE_FILE: Final = "routes.json"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The clusters of one revision. A number is never given twice, so a cluster never changes.

    Args:
        slot: Names the clusters: ``s<slot>``.
        revision: Whose members.
        probe: How Envoy checks them.
        members: Get requests while healthy.
        leaving: Get none, and stay known until nothing is in flight on them, so that this is counted.
        retired: The revision has no pool any more; the place goes with its last leaving member.
    """

    __pydantic_config__ = STRICT

    slot: int
    revision: RevisionId
    probe: Probe | None
    members: tuple[Member, ...] = ()
    leaving: tuple[Member, ...] = ()
    retired: bool = False

    @property
    def name(self) -> str:
        """The name of its cluster."""
        return f"s{self.slot}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that the documents are made from.

    Args:
        epoch: The highest fencing token seen.
        serial: Grows with every change; Envoy hands it back when it serves by it.
        next_slot: Number of the next place.
        token: Secret host name under which Envoy tells the serial.
        base_id: Envoy's own number on this machine, for hot restarts.
        process: How many hot restarts there have been.
        workers: Envoy's worker threads.
        endpoint: Where users arrive.
        tls: The certificate's files, or ``None``.
        routes: The document last applied.
        places: Where its revisions, and those on their way out, are.
    """

    __pydantic_config__ = STRICT

    epoch: int
    serial: int
    next_slot: int
    token: str
    base_id: int
    process: int
    workers: int
    endpoint: str
    tls: TLS | None
    routes: Routes
    places: tuple[Place, ...] = ()

    @property
    def live(self) -> tuple[Place, ...]:
        """Places of revisions that have a pool."""
        return tuple(place for place in self.places if not place.retired)

    def place(self, revision: RevisionId) -> Place | None:
        """Return the live place of a revision."""
        return next((place for place in self.live if place.revision == revision), None)


def encode(state: State) -> bytes:
    """Return the state as the content of its file."""
    return canonical(state).encode()


@lru_cache(maxsize=64)
def decode(content: bytes, path: Path) -> State:
    """Return the state that a file holds.

    Raises:
        RouterError: If it is damaged or of another version.
    """
    try:
        return _decoder().validate_json(content)
    except UNREADABLE as exc:  # pydantic's own error is a ValueError
        msg = (
            f"the router's state {str(path)!r} cannot be read ({type(exc).__name__}): it is damaged or of another "
            "version of fairdeploy; restore it, or remove the target's folder once its Envoy is stopped"
        )
        raise RouterError(msg) from exc


@cache
def _decoder() -> TypeAdapter[State]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - 200 ms that only readers pay

    return TypeAdapter(State)


def load(folder: Path) -> State | None:
    """Return what is remembered in a target's folder, or ``None``.

    Raises:
        RouterError: If it cannot be read.
    """
    path = folder / STATE_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        msg = f"the router's state {str(path)!r} cannot be read: {exc.strerror}"
        raise RouterError(msg) from exc
    return decode(content, path)

"""What is remembered of a target between programs: one file, written atomically."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import RouterError
from fairdeploy.model import TLS, HTTPProbe, Member, Probe, RevisionId, Routes
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.canonical import canonical
from fairdeploy.routing._files import read

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter

__all__ = ["STATE_FILE", "Pace", "Place", "Seat", "State", "encode", "load"]

STATE_FILE: Final = "slots.json"


@final
@dataclass(frozen=True, slots=True)
class Seat:
    """A slot of a place, and who has it.

    Args:
        slot: From 1.
        member: Who.
        leaving: Gets no new requests, and keeps its seat until nothing is in flight on it.
    """

    __pydantic_config__ = STRICT

    slot: int
    member: Member
    leaving: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A backend of HAProxy, and which revision has it.

    Args:
        name: The backend's: ``h0`` is checked over HTTP, ``t0`` by its port.
        revision: Whose members.
        probe: How HAProxy checks them.
        given: Which time the place was given away: counting begins anew with each.
        seats: Its members.
        retired: The revision has no pool any more; the place goes with its last seat.
    """

    __pydantic_config__ = STRICT

    name: str
    revision: RevisionId
    probe: Probe | None
    given: int
    seats: tuple[Seat, ...] = ()
    retired: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often HAProxy asks: settled when it is first started, for its slots are made then.

    Args:
        interval_ms: Between two checks.
        successes: In a row, until a member is well.
        failures: In a row, until it is not.
    """

    __pydantic_config__ = STRICT

    interval_ms: int = 100
    successes: int = 1
    failures: int = 3

    @classmethod
    def of(cls, routes: Routes) -> Pace:
        """Return that of the first probe of a document."""
        found = next((pool.probe for pool in routes.pools if isinstance(pool.probe, HTTPProbe)), None)
        return cls() if found is None else cls(**{n: getattr(found, n) for n in cls.__dataclass_fields__})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that HAProxy's files and slots are made from.

    Args:
        epoch: The highest fencing token seen.
        given: How often a place was given away.
        endpoint: Where users arrive.
        tls: The certificate's files, or ``None``.
        pace: Of the checks.
        routes: The document last applied.
        places: Where its revisions, and those on their way out, are.
    """

    __pydantic_config__ = STRICT

    epoch: int = 0
    given: int = 0
    endpoint: str
    tls: TLS | None = None
    pace: Pace = field(default_factory=Pace)
    routes: Routes = field(default_factory=Routes)
    places: tuple[Place, ...] = ()

    def place(self, revision: RevisionId) -> Place | None:
        """Return the place of a revision that has a pool."""
        return next((each for each in self.places if each.revision == revision and not each.retired), None)


def encode(state: State) -> bytes:
    """Return the state as the content of its file."""
    return canonical(state).encode()


@cache
def _decoder() -> TypeAdapter[State]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - 200 ms that only readers pay

    return TypeAdapter(State)


def load(folder: Path) -> State | None:
    """Return what is remembered in a target's folder, or ``None``.

    Raises:
        RouterError: If it cannot be read.
    """
    content = read(folder, STATE_FILE)
    if content is None:
        return None
    try:
        return _decoder().validate_json(content)
    except (ValueError, RecursionError) as exc:
        raise RouterError(
            f"the router's state {str(folder / STATE_FILE)!r} cannot be read ({type(exc).__name__}): it is damaged or of "
            "another version of fairdeploy; restore it, or remove the folder once its HAProxy is stopped"
        ) from exc

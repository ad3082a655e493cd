"""What a router has written: kept on the object that carries it out, so that both change at once."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import RouterError
from fairdeploy.model import Routes
from fairdeploy.model.canonical import canonical
from fairdeploy.routing.kubernetes.names import COLOURS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter

    from fairdeploy.model import RevisionId
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["Document"]

_ROUTES: Final = "fairdeploy.io/routes"
_PLACES: Final = "fairdeploy.io/places"
_MARK: Final = "fairdeploy.io/document"


@final
@dataclass(frozen=True, slots=True)
class Document:
    """The routes in force, and where each revision stands.

    Args:
        routes: As they were applied.
        places: The colour of each revision with a pool.
        mark: A name for exactly this writing of it, never used again: who serves by it can say so.
    """

    routes: Routes
    places: dict[RevisionId, str]
    mark: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)

    @classmethod
    def of(cls, found: Object | None) -> Document | None:
        """Return what is written on an object, or ``None``.

        Raises:
            RouterError: If it cannot be understood.
        """
        notes = found["metadata"].get("annotations", {}) if found else {}
        if _ROUTES not in notes:
            return None
        try:
            return cls(_decoder().validate_json(notes[_ROUTES]), json.loads(notes[_PLACES]), notes[_MARK])
        except (ValueError, KeyError) as error:
            raise RouterError(
                f"the annotation {_ROUTES!r} cannot be read ({type(error).__name__}): remove it, and route anew"
            ) from error

    @property
    def shares(self) -> Mapping[RevisionId, int]:
        """Who gets how much; empty if nobody gets any."""
        return self.routes.split.shares if self.routes.split else {}

    def notes(self) -> dict[str, str]:
        """Return what is written of it, as annotations."""
        places = json.dumps(self.places, sort_keys=True)
        return {_ROUTES: canonical(self.routes), _PLACES: places, _MARK: self.mark}

    @classmethod
    def placed(cls, routes: Routes, before: Document | None) -> Document:
        """Return the document of routes: who stands somewhere stays; who comes gets a place that nobody has left just now.

        A place is given to another revision only once a document without it has been written: no Service that has
        traffic is ever pointed elsewhere.

        Raises:
            RouterError: If there is no free place yet.
        """
        held = {} if before is None else before.places
        places = {pool.revision: held[pool.revision] for pool in routes.pools if pool.revision in held}
        free = [colour for colour in COLOURS if colour not in held.values()]
        for pool in routes.pools:
            if pool.revision not in places:
                if not free:
                    raise RouterError(
                        f"no place is free for revision {pool.revision!r}: {len(COLOURS)} can be routed to at once"
                    )
                places[pool.revision] = free.pop(0)
        return cls(routes, places)


@cache
def _decoder() -> TypeAdapter[Routes]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- 200 ms that only readers pay

    return TypeAdapter(Routes)

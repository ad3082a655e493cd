"""Which revision has which place, and who sits where. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fairdeploy.errors import InvalidInput, RouterError
from fairdeploy.model import HTTPProbe
from fairdeploy.routing._address import UNIX, parts
from fairdeploy.routing.haproxy.state import Place, Seat

if TYPE_CHECKING:
    from collections.abc import Collection

    from fairdeploy.model import Member, Pool, Routes
    from fairdeploy.routing.haproxy.state import State

__all__ = ["PLACES", "SLOTS", "assign"]

PLACES: Final = tuple(f"{kind}{number}" for kind in "ht" for number in range(8))
"""Places that are checked over HTTP, and such that are checked by their port."""
SLOTS: Final = 32
"""Members of a place. A slot that nobody has costs about 15 kB and no check."""


def assign(state: State, routes: Routes, busy: Collection[tuple[str, int]]) -> State:
    """Return the state that serves a routing document; who leaves keeps his seat while he is busy.

    Args:
        state: As it was.
        routes: What is wanted.
        busy: Places and slots with something in flight.

    Raises:
        InvalidInput: If an address cannot be one.
        RouterError: If places or slots do not suffice.
    """
    wanted = {pool.revision: pool for pool in routes.pools}
    for each in routes.pools:
        _refuse(each)
    places: list[Place] = []
    for place in state.places:
        pool = wanted.get(place.revision)
        stays = pool is not None and not place.retired and pool.probe == place.probe
        if pool is not None and stays:
            del wanted[place.revision]
        kept = _seated(place, pool if stays else None, busy)
        if stays or kept.seats:
            places.append(kept)
    given = state.given
    for new in wanted.values():
        given += 1
        empty = Place(name=_free(new, places), revision=new.revision, probe=new.probe, given=given)
        places.append(_seated(empty, new, busy))
    return replace(state, routes=routes, places=tuple(places), given=given)


def _refuse(pool: Pool) -> None:
    for member in pool.members:
        if member.address.startswith(UNIX):
            raise InvalidInput(
                f"member {member.instance!r} listens on {member.address!r}, and HAProxy's slots hold addresses with a "
                "port: use {port} instead of {uds}, or EnvoyRouter"
            )
        parts(member.address)


def _free(pool: Pool, places: list[Place]) -> str:
    kind = "h" if isinstance(pool.probe, HTTPProbe) else "t"
    taken = {place.name for place in places}
    free = next((name for name in PLACES if name.startswith(kind) and name not in taken), None)
    if free is None:
        held = [place.revision for place in places if place.retired]
        raise RouterError(
            f"the router has no place for {pool.revision!r}: requests are still in flight on {held!r}; drain them first"
        )
    return free


def _seated(place: Place, pool: Pool | None, busy: Collection[tuple[str, int]]) -> Place:
    members = () if pool is None else pool.members
    seats = [
        Seat(seat.slot, seat.member, leaving=seat.member not in members)
        for seat in place.seats
        if seat.member in members or not seat.leaving or (place.name, seat.slot) in busy
    ]
    for member in members:
        if all(seat.member != member for seat in seats):
            seats.append(Seat(_slot(place, member, seats), member))
    return replace(place, seats=tuple(seats), retired=pool is None)


def _slot(place: Place, member: Member, seats: list[Seat]) -> int:
    taken = {seat.slot for seat in seats}
    free = next((slot for slot in range(1, SLOTS + 1) if slot not in taken), None)
    if free is None:
        raise RouterError(
            f"revision {place.revision!r} has more than {SLOTS} members, and {member.instance!r} finds no slot in HAProxy: "
            "start fewer, or use EnvoyRouter"
        )
    return free

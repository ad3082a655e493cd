"""Which revision has which place, and who is on the way out. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairdeploy.errors import RouterError
from fairdeploy.routing._address import normal
from fairdeploy.routing.envoy.state import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fairdeploy.model import Member, Pool, Routes
    from fairdeploy.routing.envoy.state import State

__all__ = ["assign", "eased", "pruned"]

_MOST = 12
"""Bound of the clusters: places on their way out included, their pairs grow with the square."""


def pruned(state: State, busy: Collection[tuple[str, str]]) -> State:
    """Forget leaving members that are not among the busy ones (cluster, address), and places that have emptied."""
    places = [
        replace(
            place,
            leaving=tuple(member for member in place.leaving if (place.name, normal(member.address)) in busy),
        )
        for place in state.places
    ]
    return replace(state, places=tuple(place for place in places if place.leaving or not place.retired))


def assign(state: State, routes: Routes) -> State:
    """Return the state that serves a routing document.

    A revision keeps its place, also if it comes back before its last members are idle, unless it is
    probed differently now: a cluster with traffic is never changed, so it gets a new one. Members left
    out become leaving ones.

    Raises:
        RouterError: If too many revisions are still being left.
    """
    wanted = {pool.revision: pool for pool in routes.pools}
    places: list[Place] = []
    for place in state.places:
        pool = wanted.get(place.revision)
        if pool is None or pool.probe != place.probe:
            places.append(_retire(place))
        else:
            places.append(_renew(place, pool))
            del wanted[place.revision]
    slot = state.next_slot
    for pool in routes.pools:
        if pool.revision in wanted:
            places.append(_open(slot, pool))
            slot += 1
    if len(places) > _MOST:
        held = [place.revision for place in places if place.retired]
        msg = f"the router has {len(places)} revisions, {_MOST} at most: requests are still in flight on {held!r}; drain or stop them first"
        raise RouterError(msg)
    return replace(state, routes=routes, places=tuple(places), next_slot=slot)


def eased(before: State | None, after: State) -> State:
    """Return ``after`` with the members that it removes still in service, as far as ``before`` has them.

    What is written before the weights: members come before the weights change, and go after.
    Without knowing what is served, all leaving members may be needed; dead ones are found out by their checks.
    """
    if before is None:
        return replace(after, places=tuple(_keep(place, place.leaving) for place in after.places))
    served = {place.slot: place.members for place in before.places}
    return replace(after, places=tuple(_keep(place, served.get(place.slot, ())) for place in after.places))


def _open(slot: int, pool: Pool) -> Place:
    return Place(slot=slot, revision=pool.revision, probe=pool.probe, members=pool.members)


def _retire(place: Place) -> Place:
    return replace(place, members=(), leaving=_without(place.leaving + place.members, ()), retired=True)


def _renew(place: Place, pool: Pool) -> Place:
    leaving = _without(place.leaving + place.members, pool.members)
    return replace(place, members=pool.members, leaving=leaving, retired=False)


def _keep(place: Place, served: Sequence[Member]) -> Place:
    going = [member for member in place.leaving if member in served]
    return replace(
        place, members=(*place.members, *going), leaving=tuple(m for m in place.leaving if m not in served)
    )


def _without(members: Sequence[Member], served: Sequence[Member]) -> tuple[Member, ...]:
    """Return members, each once, less those whose address serves again."""
    taken = {member.address for member in served}
    return tuple(dict.fromkeys(member for member in members if member.address not in taken))

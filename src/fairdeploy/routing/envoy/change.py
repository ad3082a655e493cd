"""Changing what one target's Envoy serves by: one writer at a time, and back if Envoy refuses."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import RouterError
from fairdeploy.model import Routes
from fairdeploy.routing import _certificate
from fairdeploy.routing._files import held, leave, make, read, write
from fairdeploy.routing._site import Site, fenced
from fairdeploy.routing.envoy.admin import Unreachable
from fairdeploy.routing.envoy.delivery import Rejected, awaited, deliver, is_delivered, put, reason, tidy
from fairdeploy.routing.envoy.document import address
from fairdeploy.routing.envoy.documents import whole
from fairdeploy.routing.envoy.hosts import busy, hosts
from fairdeploy.routing.envoy.listeners import bootstrap
from fairdeploy.routing.envoy.places import assign, pruned
from fairdeploy.routing.envoy.process import BOOTSTRAP, forget_memory, link, program, program_name, workers
from fairdeploy.routing.envoy.routes import route_table
from fairdeploy.routing.envoy.state import STATE_FILE, State, encode, load
from fairdeploy.routing.envoy.statistics import Loaded, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from fairdeploy.protocols import Fence

__all__ = ["change", "forget"]

_LIVE_S: Final = 20.0
_POLL_S: Final = 0.01
_REST_S: Final = 2.0
"""How long a document must have been in force before idle leaving members are forgotten."""
_MOST_BASE_ID: Final = 400_000_000  # Envoy multiplies it by ten, in 32 bits


async def change(site: Site, routes: Routes, fence: Fence) -> None:
    """Make a target's Envoy serve by a routing document; see `EnvoyRouter.apply`."""
    site.target.address  # noqa: B018 - refuses a target without an endpoint before anything is written
    async with held(site.folder):
        before = load(site.folder)
        fenced(before, site, fence)
        make(site.folder)
        seen = await _seen(site.folder)
        settled = before is not None and seen is not None and is_delivered(site.folder, whole(before), seen)
        known = before or _fresh(site)
        if settled and _rested(site.folder):
            known = await _pruned(site.folder, known)
        after = _after(known, site, routes, fence)
        if settled and after == before:
            return
        for member in (m for pool in routes.pools for m in pool.members):
            address(member.address)  # refuses what cannot be one
        address(after.endpoint)
        if after.tls and (before is None or seen is None or before.tls != after.tls):
            # A renewal that went wrong keeps nobody from going back: Envoy has the last good one.
            _certificate.check(after.tls)
        if seen is None:
            await site.find()
        await _switch(site, after, before, settled=settled, seen=seen)


async def forget(site: Site, fence: Fence) -> None:
    """Stop a target's Envoy and remove its folder; see `EnvoyRouter.remove`.

    Where nothing was ever routed the epoch is kept all the same: the first route of a first deploy may come late, from
    a program that was stopped in that moment and wakes when everything has been undone.
    """
    async with held(site.folder):
        state = load(site.folder)
        fenced(state, site, fence)
        for process in range(1 + (state.process if state else 0)):
            await site.keeper.stop(program_name(site.target, process))
        leave(site.folder, fence.epoch)
        if state:
            forget_memory(state.base_id)


async def _switch(
    site: Site, after: State, before: State | None, *, settled: bool, seen: Loaded | None
) -> None:
    """Write the state first: whoever finds half of the files written knows what they were to become."""
    write(site.folder, STATE_FILE, encode(after))
    try:
        await _bring(site, after, before if settled else None, seen)
    except Rejected:
        with anyio.CancelScope(shield=True):
            await _back(site, before, after.epoch)
        raise
    tidy(site.folder, after)


async def _bring(site: Site, state: State, served: State | None, seen: Loaded | None) -> None:
    if seen:
        try:
            await deliver(site.folder, state, served, seen)
        except Unreachable:  # It crashed just now: its keeper brings it back, and it reads the files.
            seen = None
    if seen is None:
        await _start(site, state)


async def _back(site: Site, before: State | None, epoch: int) -> None:
    """Return to what was served before. Bounded: every wait in it has a deadline."""
    if before is None:
        await site.keeper.stop(program_name(site.target, 0))
        leave(site.folder, epoch)
        return
    write(site.folder, STATE_FILE, encode(before))
    put(site.folder, before)
    tidy(site.folder, before)


async def _start(site: Site, state: State) -> None:
    """Start Envoy from the files, unless it is on its way already, and wait until it has taken them.

    Raises:
        RouterError: If it does not come up, or refuses a file.
    """
    if read(site.folder, BOOTSTRAP) != bootstrap():
        write(site.folder, BOOTSTRAP, bootstrap())
    put(site.folder, state)
    state = await _from_the_beginning(site, state)
    link(site.folder, state.process, await site.find())
    await site.keeper.start(program(site.target, state, site.folder))
    try:
        with anyio.fail_after(_LIVE_S):
            while await _seen(site.folder) is None:  # noqa: ASYNC110 - Envoy tells nobody when it is up
                await anyio.sleep(_POLL_S)
            await awaited(site.folder, whole(state), Loaded(subjects={}))
    except (TimeoutError, Unreachable) as exc:
        raise RouterError(
            f"the Envoy of {site.target.id!r} did not come up within {_LIVE_S:g} s:{reason(site.folder)}"
        ) from exc


async def _from_the_beginning(site: Site, state: State) -> State:
    """Return the state with an Envoy that needs no predecessor, unless the one wanted is on its way.

    After a reboot, one that was to take over finds no shared memory, and will not start.
    """
    name = program_name(site.target, state.process)
    kept = (await site.keeper.states()).get(name)
    if state.process == 0 or (kept is not None and kept.phase == "running"):
        return state
    await site.keeper.stop(name)
    state = replace(state, process=0)
    write(site.folder, STATE_FILE, encode(state))
    return state


async def _seen(folder: Path) -> Loaded | None:
    try:
        return await loaded(folder)
    except Unreachable:
        return None


def _rested(folder: Path) -> bool:
    """Tell whether the last change is so long ago that no worker is still acting on the one before."""
    return time.time() - (folder / STATE_FILE).stat().st_mtime > _REST_S


async def _pruned(folder: Path, state: State) -> State:
    try:
        return pruned(state, busy(await hosts(folder)))
    except Unreachable:  # Nothing is known of who is idle: nobody is forgotten.
        return state


def _fresh(site: Site) -> State:
    endpoint = site.target.endpoint or ""
    return State(
        epoch=0,
        serial=0,
        next_slot=0,
        token=f"{secrets.token_hex(16)}.fairdeploy",
        base_id=1 + secrets.randbelow(_MOST_BASE_ID),
        process=0,
        workers=workers(),
        endpoint=endpoint,
        tls=site.target.tls,
        routes=Routes(),
    )


def _after(known: State, site: Site, routes: Routes, fence: Fence) -> State:
    """Return the next state. The serial grows only if the route table changes."""
    endpoint = site.target.endpoint or known.endpoint
    after = replace(assign(known, routes), epoch=fence.epoch, endpoint=endpoint, tls=site.target.tls)
    if known.serial and route_table(after) == route_table(known):
        return after
    return replace(after, serial=known.serial + 1)

"""Changing what one target's HAProxy serves by: one writer at a time, and without a reload."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import RouterError
from fairdeploy.routing import _certificate
from fairdeploy.routing._address import parts
from fairdeploy.routing._files import held, leave, sync
from fairdeploy.routing._site import Site, fenced
from fairdeploy.routing._socket import Unreachable
from fairdeploy.routing.haproxy.document import CERTIFICATE, maps
from fairdeploy.routing.haproxy.process import pem, program, program_name, put, reason
from fairdeploy.routing.haproxy.reading import looked
from fairdeploy.routing.haproxy.seats import SLOTS, assign
from fairdeploy.routing.haproxy.socket import ask, ordered, replaced
from fairdeploy.routing.haproxy.state import Pace, State, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fairdeploy.model import Routes
    from fairdeploy.protocols import Fence
    from fairdeploy.routing.haproxy.reading import Table

__all__ = ["change", "forget"]

_LIVE_S: Final = 20.0
_POLL_S: Final = 0.02


async def change(site: Site, routes: Routes, fence: Fence) -> None:
    """Make a target's HAProxy serve by a routing document; see `HAProxyRouter.apply`."""
    site.target.address  # noqa: B018 - refuses a target without an endpoint before anything is written
    async with held(site.folder):
        before = load(site.folder)
        fenced(before, site, fence)
        table = None if before is None else await _seen(site.folder, before)
        after = _after(before, site, routes, fence, table)
        if after.tls and (before is None or table is None or before.tls != after.tls):
            _certificate.check(after.tls)
        found = await site.find() if table is None else None
        try:
            if after != before or after.tls is not None:  # a renewed certificate has the same name
                put(site.folder, after)
                sync(site.folder)
            await _bring(site, after, found, table)
        except (RouterError, Unreachable) as exc:
            with anyio.CancelScope(shield=True):
                await _back(site, before, fence)
            raise RouterError(f"the routes of {site.target.id!r} are as before: {exc}") from exc


async def forget(site: Site, fence: Fence) -> None:
    """Stop a target's HAProxy and remove its folder, but not the epoch; see `HAProxyRouter.remove`."""
    async with held(site.folder):
        fenced(load(site.folder), site, fence)
        await site.keeper.stop(program_name(site.target))
        leave(site.folder, fence.epoch)


def _after(before: State | None, site: Site, routes: Routes, fence: Fence, table: Table | None) -> State:
    """Return the next state.

    Raises:
        RouterError: If HAProxy would have to be started anew for it.
    """
    endpoint = site.target.endpoint or ""
    parts(endpoint)
    known = before or State(endpoint=endpoint, tls=site.target.tls, pace=Pace.of(routes))
    if table is not None and (known.endpoint != endpoint or (known.tls is None) != (site.target.tls is None)):
        raise RouterError(
            f"the endpoint of {site.target.id!r} cannot be moved from {known.endpoint!r} to {endpoint!r}, nor TLS be "
            "switched, while HAProxy serves it: remove its routes first, or use EnvoyRouter"
        )
    if not known.routes.pools and table is None:
        known = replace(known, pace=Pace.of(routes))
    busy = {key for key, slot in table.slots.items() if slot.busy} if table else set[tuple[str, int]]()
    both = busy | {(name.removesuffix("x"), slot) for name, slot in busy}
    after = assign(known, routes, both)
    return replace(after, epoch=fence.epoch, endpoint=endpoint, tls=site.target.tls)


async def _bring(site: Site, state: State, found: Path | None, table: Table | None) -> None:
    """Members come before the weights change, and go after.

    Raises:
        RouterError: If HAProxy refuses something, or does not come up.
        Unreachable: If it goes away meanwhile.
    """
    if table is None:
        await site.keeper.start(program(site.target, site.folder, found or await site.find()))
        await _live(site, state)
        return
    await ordered(site.folder, list(_coming(state, table)))
    for name, entries in maps(state).items():
        if table.maps.get(name) != tuple(entries):
            await replaced(site.folder, name, entries)
    await ordered(site.folder, list(_going(state, table)))
    if state.tls is not None:
        await _secured(site.folder, pem(state.tls).decode())


def _coming(state: State, table: Table) -> Iterator[str]:
    """A new member is taken for unwell until its first check has passed."""
    for place in state.places:
        for seat in place.seats:
            host, port = parts(seat.member.address)
            slot = table.slot(place.name, seat.slot)
            there = slot.address == f"{host}:{port}"
            if seat.leaving or (there and slot.word == "ready"):
                continue
            main = f"{place.name}/m{seat.slot}"
            if not there:
                for server in (main, f"{place.name}x/m{seat.slot}"):
                    yield f"set server {server} addr {host} port {port}"
                yield f"set server {main} state drain"
                yield f"set server {main} health down"
            yield f"set server {main} state ready"


def _going(state: State, table: Table) -> Iterator[str]:
    seated = {(place.name, seat.slot): seat for place in state.places for seat in place.seats}
    names = {name.removesuffix("x") for name, _ in table.slots}
    for name in sorted(names):
        for number in range(1, SLOTS + 1):
            seat, word = seated.get((name, number)), table.slot(name, number).word
            if seat is None and word != "maint":
                yield f"set server {name}/m{number} state maint"
            elif seat is not None and seat.leaving and word == "ready":
                yield f"set server {name}/m{number} state drain"


async def _secured(folder: Path, content: str) -> None:
    """Hand a renewed certificate over; the same again does nothing."""
    blocks = "\n".join(line for line in content.splitlines() if line.strip())
    await ask(folder, f"set ssl cert {CERTIFICATE} <<\n{blocks}\n")
    said = (await ask(folder, f"commit ssl cert {CERTIFICATE}")).strip()
    if "Success" not in said:
        raise RouterError(f"HAProxy refuses the certificate: {said}")


async def _live(site: Site, state: State) -> None:
    try:
        with anyio.fail_after(_LIVE_S):
            while await _seen(site.folder, state) is None:  # noqa: ASYNC110 - HAProxy tells nobody when it is up
                await anyio.sleep(_POLL_S)
    except TimeoutError as exc:
        raise RouterError(
            f"the HAProxy of {site.target.id!r} did not come up within {_LIVE_S:g} s:{reason(site.folder)}"
        ) from exc


async def _back(site: Site, before: State | None, fence: Fence) -> None:
    """Return to what was served before. Bounded: every wait in it has a deadline."""
    if before is None:
        await site.keeper.stop(program_name(site.target))
        leave(site.folder, fence.epoch)
        return
    put(site.folder, before)
    table = await _seen(site.folder, before)
    if table is not None:
        await ordered(site.folder, list(_coming(before, table)))
        for name, entries in maps(before).items():
            await replaced(site.folder, name, entries)
        await ordered(site.folder, list(_going(before, table)))


async def _seen(folder: Path, state: State) -> Table | None:
    try:
        return await looked(folder, state)
    except Unreachable:
        return None

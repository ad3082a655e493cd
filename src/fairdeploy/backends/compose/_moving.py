"""A port that a service has published moves to the router, with the first release that is promoted in its place.

Docker keeps a published port as long as the container runs, and nobody else can listen there. So the router serves beside
it first; while the last containers that publish the port are stopped, new connections are turned to the router by two rules
of iptables; when the port is free, the router takes it, and the rules go. Without root there are no rules: new
connections are refused from the stop of the old container until the router has the port.
"""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

import anyio
from anyio import to_thread

from fairdeploy.errors import BackendError
from fairdeploy.host import _files
from fairdeploy.host.launch import free_port
from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Validation
from fairdeploy.system import run_to_end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from fairdeploy.backends.compose._site import Site
    from fairdeploy.model import Capability, Counters, RevisionId, Routes, Target, Traffic
    from fairdeploy.protocols import Fence, Scene, TrafficRouter

__all__ = ["MovingRouter", "explanation", "moved"]

_CHAINS: Final = ("PREROUTING", "OUTPUT")
_SECONDS: Final = 10.0
_POLL_S: Final = 0.05
_DRAIN_MS: Final = 2_000
"""For the connections of those who came while the port moved: within it each is told to come again, by the port."""
_PATIENCE_S: Final = 20.0


@final
class MovingRouter:
    """A router that serves beside a published port until the port is free."""

    def __init__(self, inner: TrafficRouter, site: Site) -> None:
        self._inner = inner
        self._site = site

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See `TrafficRouter.capabilities`."""
        return self._inner.capabilities

    async def check(self, target: Target) -> None:
        """See `TrafficRouter.check`; a port that the service itself publishes is not taken."""
        if not await self._site.publishes(target):
            await self._inner.check(target)

    async def observe(self, target: Target) -> Traffic:
        """See `TrafficRouter.observe`."""
        return await self._inner.observe(self._now(target))

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """See `TrafficRouter.apply`; where the port is not free yet, beside it."""
        if self._beside(target) is None and await self._site.publishes(target):
            beside = await to_thread.run_sync(free_port)
            _files.write_json(self._note(target), {"port": beside}, durable=True)
        await self._inner.apply(self._now(target), routes, fence)
        await self.land(target, fence)  # where who was to do it has died

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:
        """See `TrafficRouter.counters`."""
        return await self._inner.counters(self._now(target))

    async def remove(self, target: Target, fence: Fence) -> None:
        """See `TrafficRouter.remove`."""
        await self._turned(target, on=False)
        await self._inner.remove(self._now(target), fence)
        _files.remove_files((self._note(target),))

    async def turn(self, target: Target) -> None:
        """Turn new connections to the router, before the last container that publishes the port is stopped."""
        if self._beside(target) is None:
            return
        written = (await self.observe(target)).written
        if written is not None and written.split is not None:
            await self._turned(target, on=True)

    async def land(self, target: Target, fence: Fence) -> None:
        """Take the port, if it is free now; done already: nothing is done.

        Raises:
            RouterError: If it cannot be taken: another program was faster. What was turned stays so.
        """
        if self._beside(target) is None or await self._site.publishes(target):
            return
        beside = self._now(target)
        routes = (await self._inner.observe(beside)).written
        if routes is not None:
            await self._inner.apply(target, routes, fence)
        await self._turned(target, on=False)
        if routes is not None:
            await self._emptied(beside, routes, fence)
        _files.remove_files((self._note(target),))
        await self._inner.remove(beside, fence)

    async def _emptied(self, beside: Target, routes: Routes, fence: Fence) -> None:
        """Ask who is still connected beside to go: a listener that moves away tells its users so."""
        away = replace(beside, endpoint=f"127.0.0.1:{await to_thread.run_sync(free_port)}")
        await self._inner.apply(away, routes, fence)
        await anyio.sleep(beside.drain_ms / 1000)
        with anyio.move_on_after(_PATIENCE_S):
            while _busy(await self._inner.observe(away)):  # noqa: ASYNC110 -- a router tells nobody when it is idle
                await anyio.sleep(_POLL_S)

    def moves(self, target: Target) -> bool:
        """Whether the port has not been taken yet."""
        return self._beside(target) is not None

    def _note(self, target: Target) -> Path:
        return self._site.place(target).base / "moving.json"

    def _beside(self, target: Target) -> int | None:
        found = _files.read_json(self._note(target))
        return None if found is None else int(str(found["port"]))

    def _now(self, target: Target) -> Target:
        """Return the target as the router knows it now."""
        port = self._beside(target)
        if port is None:
            return target
        host = "127.0.0.1" if target.address[0] in {"127.0.0.1", "localhost"} else "0.0.0.0"  # noqa: S104 -- as the endpoint
        name = f"{target.app}-moving"
        return replace(target, app=name, endpoint=f"{host}:{port}", drain_ms=_DRAIN_MS)

    async def _turned(self, target: Target, *, on: bool) -> None:
        port = self._beside(target)
        if port is None or not turns():
            return
        for chain in _CHAINS:
            words = _rule(target.address[1], port)
            there = await _iptables("-C", chain, *words) == 0
            if on is not there and await _iptables("-I" if on else "-D", chain, *words) != 0:
                raise BackendError(
                    f"iptables refuses to turn port {target.address[1]} of {target.id!r}: see 'iptables -t nat -S {chain}'"
                )


@asynccontextmanager
async def moved(router: TrafficRouter | None, target: Target, fence: Fence) -> AsyncGenerator[None]:
    """Stop within it what publishes the target's port: the router has the port afterwards, if nothing else publishes it.

    Raises:
        RouterError: If it cannot be taken.
    """
    if isinstance(router, MovingRouter):
        await router.turn(target)
    yield
    if isinstance(router, MovingRouter):
        await router.land(target, fence)


def explanation(site: Site) -> Validation:
    """Return what tells that a port will move, before anything does."""

    async def look(scene: Scene) -> Sequence[Finding]:
        if not site.project.move_ports or not await site.publishes(scene.target):
            return ()
        how = (
            "new connections are turned to it by iptables meanwhile, and none is refused"
            if turns()
            else "new connections are refused while the old container stops, for only root can turn them"
        )
        says = (
            f"Docker publishes {scene.target.endpoint} for service {site.place(scene.target).service!r} now; once the new "
            f"revision is promoted the old container is stopped, and the router takes the port: {how}; the file stays as it is"
        )
        return [
            Finding(
                "published port",
                aspect=Aspect.CONFIGURATION,
                severity=Severity.INFO,
                passed=True,
                message=says,
            )
        ]

    return Validation("published port", aspect=Aspect.CONFIGURATION, look=look)


def turns() -> bool:
    """Whether connections can be turned here: root has iptables."""
    return os.geteuid() == 0 and shutil.which("iptables") is not None


def _rule(port: int, beside: int) -> tuple[str, ...]:
    here = ("-p", "tcp", "--dport", str(port), "-m", "addrtype", "--dst-type", "LOCAL")
    return (*here, "-m", "comment", "--comment", "fairdeploy", "-j", "REDIRECT", "--to-ports", str(beside))


async def _iptables(what: str, chain: str, *words: str) -> int:
    ran = await run_to_end(["iptables", "-w", "-t", "nat", what, chain, *words], within=_SECONDS)
    return ran.status


def _busy(traffic: Traffic) -> bool:
    return bool(traffic.streams) or any((traffic.in_flight or {}).values())

"""A traffic router in memory."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, final

import anyio
from anyio.lowlevel import checkpoint

from fairdeploy.model import WHOLE, Capability, Routes, Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Counters, InstanceId, RevisionId, Target, TargetId
    from fairdeploy.protocols import Fence
    from fairdeploy.testing.simulation.fault import Fault
    from fairdeploy.testing.simulation.place import Place
    from fairdeploy.testing.simulation.world import World

__all__ = ["ROUTER_ABILITIES", "SimulatedRouter"]

ROUTER_ABILITIES = frozenset(
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
"""What the simulated router can do unless it is told not to."""


@final
class SimulatedRouter:
    """A `TrafficRouter` in memory, in the time of its world.

    Args:
        world: What it acts on.
        without: Abilities that it does not have.
    """

    def __init__(self, world: World, *, without: frozenset[Capability] = frozenset()) -> None:
        self._world = world
        self._capabilities = ROUTER_ABILITIES - without
        self._last_seen: dict[TargetId, Traffic] = {}
        self._last_counted: dict[TargetId, Mapping[RevisionId, Counters]] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See `TrafficRouter.capabilities`."""
        return self._capabilities

    async def observe(self, target: Target) -> Traffic:
        """See `TrafficRouter.observe`.

        Raises:
            RouterError: By a fault.
        """
        fault = await self._read("router.observe")
        if fault is not None and fault.kind == "stale" and target.id in self._last_seen:
            return self._last_seen[target.id]
        self._last_seen[target.id] = self._look(target.id)
        if fault is not None and fault.kind == "partial":
            return self._partly(self._last_seen[target.id])
        return self._last_seen[target.id]

    async def check(self, target: Target) -> None:  # noqa: ARG002 -- no endpoint is taken here
        """See `TrafficRouter.check`."""
        await checkpoint()

    async def apply(self, target: Target, routes: Routes, fence: Fence) -> None:
        """See `TrafficRouter.apply`.

        Raises:
            Fenced: If a newer epoch was seen.
            RouterError: By a fault.
        """
        place = self._world.place(target.id)

        def act() -> bool:
            if routes == place.written:
                return False
            now = self._world.now()
            self._world.violations.extend(_without_capacity(self._world, place, target, routes))
            place.documents.append((now + self._world.ack_seconds, routes))
            place.flow.know(frozenset(pool.revision for pool in routes.pools))
            if routes.split is not None:
                place.flow.begin(now + self._world.ack_seconds)
            return True

        pools = ", ".join(f"{pool.revision} x {len(pool.members)}" for pool in routes.pools)
        effect = self._world.effect("router.apply", target.id, fence, f"{routes.split} over {pools}")
        await self._world.call("router.apply", effect, act)

    async def counters(self, target: Target) -> Mapping[RevisionId, Counters]:
        """See `TrafficRouter.counters`.

        Raises:
            RouterError: By a fault.
        """
        fault = await self._read("router.counters")
        if fault is not None and fault.kind == "stale" and target.id in self._last_counted:
            return self._last_counted[target.id]
        self._world.now()
        self._last_counted[target.id] = self._world.place(target.id).flow.counters()
        if fault is not None and fault.kind == "partial":
            return dict(sorted(self._world.part_of(self._last_counted[target.id].items())))
        return self._last_counted[target.id]

    async def remove(self, target: Target, fence: Fence) -> None:
        """See `TrafficRouter.remove`.

        Raises:
            Fenced: If a newer epoch was seen.
            RouterError: By a fault.
        """
        place = self._world.place(target.id)

        def act() -> bool:
            had = bool(place.documents)
            place.documents.clear()
            place.flow.know(frozenset())
            return had

        effect = self._world.effect("router.remove", target.id, fence, "")
        await self._world.call("router.remove", effect, act)

    async def _read(self, name: str) -> Fault | None:
        fault = await self._world.troubled(name)
        if fault is not None and fault.kind == "delay":
            await anyio.sleep(fault.seconds)
        if fault is not None and fault.kind == "after":
            raise self._world.error(name, "after")
        return fault

    def _partly(self, traffic: Traffic) -> Traffic:
        shown = frozenset(self._world.part_of(sorted(traffic.healthy | set(traffic.in_flight or ()))))
        counts = traffic.in_flight
        return replace(
            traffic,
            healthy=traffic.healthy & shown,
            in_flight=None if counts is None else {each: counts[each] for each in counts if each in shown},
        )

    def _look(self, target: TargetId) -> Traffic:
        place = self._world.place(target)
        now = self._world.now()
        counted = Capability.DRAIN_COUNTED in self._capabilities
        return Traffic(
            written=place.written,
            acknowledged=bool(place.documents) and place.documents[-1][0] <= now,
            healthy=_healthy(self._world, place, place.served(now), now),
            in_flight=place.flow.in_flight() if counted else None,
            streams=place.flow.streams() if counted else None,
        )


def _healthy(world: World, place: Place, routes: Routes | None, now: float) -> frozenset[InstanceId]:
    members = (member.instance for pool in (routes.pools if routes else ()) for member in pool.members)
    known = (place.machines[instance] for instance in members if instance in place.machines)
    return frozenset(machine.id for machine in known if machine.ready(now - world.check_seconds))


def _without_capacity(world: World, place: Place, target: Target, routes: Routes) -> list[str]:
    """Say where a document gives weight to a revision that the router does not see ready for it (I1)."""
    if routes.split is None:
        return []
    now = world.now()
    seen = _healthy(world, place, place.served(now), now)
    old = place.written.split if place.written is not None else None
    said = []
    for revision, share in routes.split.shares.items():
        pool = routes.pool(revision)
        members = pool.members if pool else ()
        able = sum(m.instance in seen or world.just_lost(place, m.instance) for m in members)
        grows = old is None or share > old.share(revision)
        # A share is rounded to basis points: a hundredth of an instance is no lack.
        wanted = max(1, ceil(share * (target.replicas or 1) / WHOLE - 0.01)) if grows else 1
        if able < wanted:
            said.append(f"I1: {revision!r} got {share / 100:g} % with {able} ready of {wanted} wanted")
    return said

"""What is there, outside of any program: instances, stable marks, routing documents, visitors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import anyio
from anyio.lowlevel import checkpoint

from fairdeploy.errors import BackendError, Fenced, RouterError
from fairdeploy.model import Deployment, InstanceId, Release, Revision, RevisionId, Routes, TargetId
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.simulation.behaviour import Behaviour, Demand
from fairdeploy.testing.simulation.effect import Effect, Loss
from fairdeploy.testing.simulation.flow import Flow, Serving
from fairdeploy.testing.simulation.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairdeploy.model import Target
    from fairdeploy.protocols import Clock, Fence
    from fairdeploy.testing.simulation.fault import Fault

__all__ = ["Hook", "Place", "World"]

Hook: TypeAlias = "Callable[[Literal['before', 'after'], Effect], None]"
"""Called around every effect. What it raises leaves the call: the way to die at a boundary."""


@final
@dataclass(slots=True, kw_only=True)
class Place:
    """What is there of one target."""

    flow: Flow
    machines: dict[InstanceId, Machine]
    epoch: int = 0
    stable: RevisionId | None = None
    replicas: dict[RevisionId, int] = field(default_factory=dict)
    releases: dict[RevisionId, Release] = field(default_factory=dict)
    documents: list[tuple[float, Routes]] = field(default_factory=list)
    jobs: dict[str, float] = field(default_factory=dict)
    _looked: tuple[float, Deployment] | None = None

    def changed(self) -> None:
        """Look anew from now on: somebody acted, or an instance came or went."""
        self._looked = None
        self.flow.changed()

    def look(self, target: TargetId, now: float) -> Deployment:
        """Return what is there, as a backend sees it."""
        if self._looked is None or now >= self._looked[0] or self._looked[1].stable != self.stable:
            running = self.running()
            revisions = tuple(
                Revision(
                    revision,
                    replicas=replicas,
                    instances=tuple(machine.seen(now) for machine in running if machine.revision == revision),
                )
                for revision, replicas in self.replicas.items()
            )
            until = min((machine.steady_until(now) for machine in running), default=inf)
            self._looked = until, Deployment(target, revisions=revisions, stable=self.stable)
        return self._looked[1]

    @property
    def written(self) -> Routes | None:
        """The routing document last written."""
        return self.documents[-1][1] if self.documents else None

    def served(self, at: float) -> Routes | None:
        """Return the routing document in force at a moment."""
        return next((routes for since, routes in reversed(self.documents) if since <= at), None)

    def serving(self, at: float, late: float) -> Serving:
        """Return by what requests are routed at a moment, by a router that sees instances so many seconds late."""
        routes = self.served(at)
        until = min((since for since, _ in self.documents if since > at), default=inf)
        if routes is None or routes.split is None:
            return Serving(shares=None, members={}, until=until)
        members = {}
        for pool in routes.pools:
            known = [self.machines[m.instance] for m in pool.members if m.instance in self.machines]
            members[pool.revision] = tuple(machine.id for machine in known if machine.ready(at - late))
            for machine in known:
                until = min(until, machine.steady_until(at - late) + late)
                if at < machine.stopped_at + late:
                    until = min(until, machine.stopped_at + late)
        return Serving(shares=routes.split.shares, members=members, until=until)

    def running(self, revision: RevisionId | None = None) -> list[Machine]:
        """Return the instances that were not stopped, oldest first."""
        return [
            m
            for m in self.machines.values()
            if m.stopped_at == inf and (revision is None or revision == m.revision)
        ]


@final
class World:
    """Everything that outlives a program. Give the same world to several backends to see it from several.

    Args:
        behaviours: By revision; what is not named behaves by ``default``.
        default: How instances behave unless said otherwise.
        demand: What visitors want of each target.
        ack_seconds: Time from writing a routing document to serving by it.
        check_seconds: How far the router's view of its members' health lies behind.
        faults: What goes wrong, in the order in which it is to happen for each call.
        hook: Called around every effect.
        clock: Default: `VirtualClock`.
        seed: Of all chance in it.
    """

    def __init__(
        self,
        behaviours: Mapping[RevisionId, Behaviour] | None = None,
        *,
        default: Behaviour | None = None,
        demand: Demand | None = None,
        ack_seconds: float = 0.05,
        check_seconds: float = 0.0,
        faults: Sequence[Fault] = (),
        hook: Hook | None = None,
        clock: Clock | None = None,
        seed: int = 0,
    ) -> None:
        self.behaviours = dict(behaviours or {})
        self.default = default or Behaviour()
        self.demand = demand or Demand()
        self.ack_seconds = ack_seconds
        self.check_seconds = check_seconds
        self.hook = hook
        self.clock = clock or VirtualClock()
        self.seed = seed
        self.effects: list[Effect] = []
        self.violations: list[str] = []
        self.places: dict[TargetId, Place] = {}
        self.faults = list(faults)
        self._numbers = count(1)

    # What is so.

    def now(self) -> float:
        """Return the moment, with all visitors worked out up to it."""
        now = self.clock.monotonic()
        for place in self.places.values():
            place.flow.advance(now)
        return now

    def behaviour(self, revision: RevisionId) -> Behaviour:
        """Return how a revision's instances behave."""
        return self.behaviours.get(revision, self.default)

    def place(self, target: TargetId) -> Place:
        """Return what is there of a target."""
        if target not in self.places:
            self.places[target] = self._new_place(target)
        return self.places[target]

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Every request lost, up to the last look."""
        return tuple(loss for place in self.places.values() for loss in place.flow.losses)

    @property
    def sent(self) -> int:
        """How many requests have come, up to the last look."""
        return sum(place.flow.sent for place in self.places.values())

    @property
    def answered(self) -> int:
        """How many of them were answered by an instance, errors included."""
        return sum(place.flow.answered for place in self.places.values())

    @property
    def unrouted(self) -> int:
        """How many came while the target had no traffic, and were told so by the router."""
        return sum(place.flow.unrouted for place in self.places.values())

    # What happens by itself.

    def behave(self, revision: RevisionId, behaviour: Behaviour) -> None:
        """Change how a revision behaves from now on; instances that run keep their timeline."""
        self.now()
        self.behaviours[revision] = behaviour

    def crash(self, instance: InstanceId) -> None:
        """Let an instance crash now."""
        now = self.now()
        for place in self.places.values():
            machine = place.machines.get(instance)
            if machine is not None:
                machine.crash(now, self.behaviour(machine.revision))
                place.changed()
                place.flow.cut(machine, now, crashed=True)

    # What programs do.

    def start(self, place: Place, target: Target, revision: RevisionId, *, serves: bool) -> None:
        """Start one instance."""
        number = next(self._numbers)
        address = f"sim-{number}:80" if serves else None
        machine = Machine(id=f"{target.app}-{number}", revision=revision, address=address)
        machine.start(self.now(), self.behaviour(revision))
        place.machines[machine.id] = machine
        place.changed()

    def stop(self, place: Place, machine: Machine) -> None:
        """Stop one instance; what is in flight on it is lost, and said to be so."""
        now = self.now()
        busy = place.flow.in_flight().get(machine.id, 0)
        if busy:
            self.violations.append(f"I2: {machine.id!r} was stopped with {busy} requests in flight")
        for routes in {id(r): r for r in (place.written, place.served(now)) if r is not None}.values():
            pool = routes.pool(machine.revision)
            member = pool is not None and any(m.instance == machine.id for m in pool.members)
            if member and routes.split is not None and routes.split.share(machine.revision):
                self.violations.append(f"I2: {machine.id!r} was stopped while the router sends it traffic")
                break
        machine.stopped_at = now
        place.changed()
        place.flow.cut(machine, now, crashed=False)

    async def call(self, name: str, effect: Effect, act: Callable[[], bool]) -> None:
        """Carry out an effect, fenced and logged, with whatever goes wrong with it.

        Raises:
            Fenced: If a newer epoch was seen.
            BackendError: By a fault.
            RouterError: By a fault.
        """
        fault = self.fault(name)
        await checkpoint()
        if fault is not None and fault.kind == "late":
            await anyio.sleep(fault.seconds)
        if fault is not None and fault.kind == "before":
            raise self.error(name, "before")
        if self.hook is not None:
            self.hook("before", effect)
        self._fence(effect)
        at = self.now()
        changed = act()
        self.place(effect.target).changed()
        done = replace(effect, at=at, changed=changed)
        self.effects.append(done)
        if self.hook is not None:
            self.hook("after", done)
        if fault is not None and fault.kind == "delay":
            await anyio.sleep(fault.seconds)
        if fault is not None and fault.kind == "after":
            raise self.error(name, "after")

    def effect(self, name: str, target: TargetId, fence: Fence, detail: str) -> Effect:
        """Return an effect that is about to happen."""
        return Effect(
            at=self.now(), name=name, target=target, key=fence.key, epoch=fence.epoch, detail=detail
        )

    def fault(self, name: str) -> Fault | None:
        """Return what goes wrong with a call that is made now, if anything, and count the call."""
        for index, fault in enumerate(self.faults):
            if fault.call != name:
                continue
            if fault.skip > 0:
                self.faults[index] = replace(fault, skip=fault.skip - 1)
                return None
            if fault.times > 1:
                self.faults[index] = replace(fault, times=fault.times - 1)
            else:
                del self.faults[index]
            return fault
        return None

    @staticmethod
    def error(name: str, when: str) -> BackendError | RouterError:
        """Return what a fault raises."""
        message = f"simulated: {name} failed {when} its effect: try it again"
        return RouterError(message) if name.startswith("router.") else BackendError(message)

    def _fence(self, effect: Effect) -> None:
        place = self.place(effect.target)
        if effect.epoch < place.epoch:
            raise Fenced(
                f"{effect.name} on {effect.target!r} has epoch {effect.epoch}, but {place.epoch} was seen: stop, another holder acts"
            )
        place.epoch = effect.epoch

    def _new_place(self, target: TargetId) -> Place:
        machines: dict[InstanceId, Machine] = {}

        def serving(at: float) -> Serving:
            return self.places[target].serving(at, self.check_seconds)

        flow = Flow(
            target,
            self.demand,
            seed=self.seed,
            serving=serving,
            machines=machines,
            behaviour=self.behaviour,
        )
        return Place(flow=flow, machines=machines)

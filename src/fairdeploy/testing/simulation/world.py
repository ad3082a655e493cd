"""What is there, outside of any program: instances, stable marks, routing documents, visitors."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, final

import anyio
from anyio.lowlevel import checkpoint

from fairdeploy.errors import BackendError, DatabaseError, Fenced, RouterError
from fairdeploy.model import InstanceId, RevisionId, TargetId
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.simulation.behaviour import Behaviour, Demand
from fairdeploy.testing.simulation.effect import Effect, Loss
from fairdeploy.testing.simulation.fault import Fault
from fairdeploy.testing.simulation.flow import Flow, Serving
from fairdeploy.testing.simulation.machine import Machine
from fairdeploy.testing.simulation.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fairdeploy.model import Target
    from fairdeploy.protocols import Clock, Fence

__all__ = ["Hook", "World"]

T = TypeVar("T")

_LOOK_SERVES = 0.05
"""Seconds that a look serves where nothing was applied since: half the interval of the fastest probes (design, engine)."""

Hook: TypeAlias = "Callable[[Literal['before', 'after'], Effect], None]"
"""Called around every effect. What it raises leaves the call: the way to die at a boundary."""


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
        self.throttled: list[str] = []
        self.places: dict[TargetId, Place] = {}
        self.faults = list(faults)
        self._throttled: dict[str, float] = {}
        self._called_at = 0.0
        self._chance = random.Random(f"{seed}/faults")  # noqa: S311 -- simulated chance, not secrecy
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
                place.flow.cut(machine, now, "crashed")

    def lose(self, instance: InstanceId) -> None:
        """Let an instance die for good, and with it what is in flight on it: its node has gone."""
        now = self.now()
        for place in self.places.values():
            machine = place.machines.get(instance)
            if machine is not None and machine.stopped_at == inf:
                machine.stopped_at, machine.lost = now, True
                place.changed()
                place.flow.cut(machine, now, "lost")

    def lose_one(self, target: TargetId) -> None:
        """Let an instance of a target die for good; one that leaves another of its revision ready, or none."""
        now = self.now()
        place = self.place(target)
        able = [m for m in place.running() if m.ready(now) and not m.quiescing and place.known(m.id, now)]
        spare = [m for m in able if sum(other.revision == m.revision for other in able) > 1]
        if spare:
            self.lose(self._chance.choice(spare).id)

    def part_of(self, things: Iterable[T]) -> list[T]:
        """Return what a list shows of which a page is missing: not all, if there is anything."""
        whole = list(things)
        return self._chance.sample(whole, self._chance.randrange(len(whole))) if whole else []

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
        place.flow.cut(machine, now, "stopped")

    async def call(self, name: str, effect: Effect, act: Callable[[], bool]) -> None:
        """Carry out an effect, fenced and logged, with whatever goes wrong with it.

        Raises:
            Fenced: If a newer epoch was seen.
            BackendError: By a fault.
            RouterError: By a fault.
        """
        fault = await self.troubled(name)
        if self.hook is not None:
            self.hook("before", effect)
        self._deliver(effect, act)
        match fault:
            case Fault(kind="delay"):
                await anyio.sleep(fault.seconds)
            case Fault(kind="twice"):
                await anyio.sleep(fault.seconds)
                self._deliver(effect, act)
            case Fault(kind="lost"):
                self.lose_one(effect.target)
            case Fault(kind="after"):
                raise self.error(name, "after")
            case _:
                pass

    async def troubled(self, name: str) -> Fault | None:
        """Pass what goes wrong before a call, and return what is to go wrong with it.

        Raises:
            BackendError: By a fault.
            RouterError: By a fault.
        """
        fault = self.fault(name)
        await checkpoint()
        if fault is not None and fault.kind == "late":
            await anyio.sleep(fault.seconds)
        now = self.clock.monotonic()
        if fault is not None and fault.kind == "throttle":
            self._throttled[name] = now + fault.seconds
        left = self._throttled.get(name, now) - now
        if left > 0:
            self.throttled.append(name)
            raise self.error(name, "before", retry_after=left)
        if fault is not None and fault.kind == "before":
            raise self.error(name, "before")
        return fault

    def _deliver(self, effect: Effect, act: Callable[[], bool]) -> None:
        self._fence(effect)
        at = self.now()
        self._called_at = effect.at
        changed = act()
        self.place(effect.target).changed()
        done = replace(effect, at=at, changed=changed)
        self.effects.append(done)
        if self.hook is not None:
            self.hook("after", done)

    def just_lost(self, place: Place, instance: InstanceId) -> bool:
        """Whether an instance has died while the present call was under way, or since the look it may stand on."""
        machine = place.machines.get(instance)
        return machine is not None and machine.lost and machine.stopped_at >= self._called_at - _LOOK_SERVES

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
    def error(
        name: str, when: str, *, retry_after: float | None = None
    ) -> BackendError | RouterError | DatabaseError:
        """Return what a fault raises."""
        message = f"simulated: {name} failed {when} its effect: try it again"
        if retry_after is not None:
            message = f"simulated: {name} is throttled: try it again in {retry_after:g} s"
        kinds: dict[str, type[BackendError | RouterError | DatabaseError]]
        kinds = {"router": RouterError, "database": DatabaseError}
        error = kinds.get(name.partition(".")[0], BackendError)(message)
        error.retryable = True
        error.retry_after = retry_after
        return error

    def _fence(self, effect: Effect) -> None:
        # Backend and router each keep the newest epoch that they have seen, as real ones do.
        part, epochs = effect.name.partition(".")[0], self.place(effect.target).epochs
        seen = epochs.get(part, 0)
        if effect.epoch < seen:
            raise Fenced(
                f"{effect.name} on {effect.target!r} has epoch {effect.epoch}, but {seen} was seen: stop, another holder acts"
            )
        epochs[part] = effect.epoch

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

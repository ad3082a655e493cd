"""What the engine's tests stand on: a simulated world, a program that can die in it, virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import trio
from trio.testing import MockClock

from fairdeploy.engine import Deployer
from fairdeploy.journal import MemoryJournal
from fairdeploy.model import Ended, Intended, Promote, Release, Split, Target
from fairdeploy.strategies import BlueGreen
from fairdeploy.testing.simulation import (
    Demand,
    Effect,
    SimulatedBackend,
    SimulatedDatabase,
    SimulatedStore,
    World,
)

if TYPE_CHECKING:
    from fairdeploy.errors import RecordError
    from fairdeploy.model import (
        Due,
        Event,
        Plan,
        Record,
        RevisionId,
        RolloutId,
        RolloutResult,
        TargetId,
        Unfenced,
    )
    from fairdeploy.protocols import Clock, HealthCheck, Journal, Lease, MetricSource, RolloutInfo, Strategy

T = TypeVar("T")

SHOP = Target("shop", replicas=3, endpoint="127.0.0.1:8080")
WORKER = Target("worker", replicas=2)
BUSY = Demand(rate=40)


def virtually(story: Callable[[], Awaitable[T]]) -> T:
    """Run a story in virtual time: waits take none."""
    return trio.run(story, clock=MockClock(autojump_threshold=0))


def complaints(
    complaint: Callable[[int], Awaitable[tuple[str, bool]]], first: int, every: int
) -> tuple[int, list[str]]:
    """Return how many boundaries there are, and what is wrong after deaths at some of them.

    Args:
        complaint: Tells a story in which the program dies at a boundary; says what is wrong then, and whether it died.
        first: The first boundary at which it dies.
        every: How far the next one is.
    """
    place, wrong = first, list[str]()
    while True:
        said, died = virtually(partial(complaint, place))
        if not died:
            return place, wrong
        wrong += [said] if said else []
        place += every


def release(version: str) -> Release:
    """Return a release that serves."""
    return Release(version, command=["serve", "{port}"])


ONE, TWO, THREE, FOUR = (release(version) for version in "1234")


@dataclass
class House:
    """A world with one deployer in it."""

    world: World = field(default_factory=World)
    journal: Journal | None = None
    checks: dict[str, HealthCheck] = field(default_factory=dict)
    clock: Clock | None = None
    stores: dict[str, SimulatedStore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build the backend on the world, the deployer on the backend."""
        self.backend = SimulatedBackend(self.world, journal=self.journal)
        self.journal = self.backend.journal
        self.deployer = self.another()

    def another(self, *, lease: float = 15.0, sources: Mapping[str, MetricSource] | None = None) -> Deployer:
        """Return a second deployer, as another program would have it."""
        backend = SimulatedBackend(self.world, journal=self.journal)
        clock = self.clock or self.world.clock
        return Deployer(
            backend, checks=self.checks, sources=sources, databases=self.databases, clock=clock, lease=lease
        )

    @property
    def databases(self) -> dict[str, SimulatedDatabase]:
        """The databases, as another program would have them."""
        return {name: SimulatedDatabase(self.world, store, name=name) for name, store in self.stores.items()}

    async def standing(
        self, *releases: Release, target: Target = SHOP, strategy: Strategy | None = None
    ) -> None:
        """Deploy releases one after the other."""
        for each in releases:
            how = strategy or BlueGreen(watch=1, keep_warm=0, preview_header=None)
            await self.deployer.deploy(target, each, how)

    def stable(self, target: Target = SHOP) -> RevisionId | None:
        """Return the stable mark."""
        return self.world.place(target.id).stable

    def split(self, target: Target = SHOP) -> Split | None:
        """Return the split that the router was told."""
        written = self.world.place(target.id).written
        return written.split if written else None

    def counts(self, target: Target = SHOP) -> dict[RevisionId, int]:
        """Return how many instances of each revision run."""
        place = self.world.place(target.id)
        return {revision: len(place.running(revision)) for revision in place.replicas}

    async def events(self, rollout: RolloutId | None = None) -> tuple[Event, ...]:
        """Return the journal's events."""
        return await self.backend.journal.read(rollout)

    async def records(self, kind: type[Record]) -> list[Record]:
        """Return the records of one kind, of every rollout."""
        return [event.record for event in await self.events() if isinstance(event.record, kind)]

    def unharmed(self) -> None:
        """Nothing was violated, and no request was lost."""
        assert self.world.violations == []
        assert self.world.losses == ()

    def serves_only(self, wanted: Release, target: Target = SHOP, *, replicas: int | None = None) -> None:
        """One release is stable, has all traffic, and nothing else is there."""
        assert self.stable(target) == wanted.revision
        if target.endpoint is not None:
            assert self.split(target) == Split.all_to(wanted.revision)
        assert self.counts(target) == {wanted.revision: replicas or target.replicas}


class Died(BaseException):
    """The program is dead. Nobody in it may catch this."""


@dataclass
class Life:
    """Counts the boundaries that a program passes, and ends at one of them."""

    dies_at: int | None = None
    passed: int = 0
    dead: bool = False
    where: str = ""

    def boundary(self, where: str) -> None:
        """Pass a boundary, or die there. A dead program passes none."""
        if not self.dead:
            self.passed += 1
            self.dead = self.passed == self.dies_at
            self.where = where
        if self.dead:
            raise Died

    def hook(self, when: Literal["before", "after"], effect: Effect) -> None:
        """Pass a boundary around an effect."""
        self.boundary(f"{when} {effect.name} {effect.detail}")


class MortalJournal:
    """A journal as a program sees it that may die at each call, before or after it."""

    def __init__(self, journal: Journal, life: Life) -> None:
        """See a journal through a life."""
        self._journal = journal
        self._life = life

    @property
    def key(self) -> bytes:
        """See `Journal.key`."""
        return self._journal.key

    async def begin(self, rollout: RolloutId, plan: Plan, holder: str, ttl_ms: int) -> Lease:
        """See `Journal.begin`."""
        return await self._mortal("begin", self._journal.begin(rollout, plan, holder, ttl_ms))

    async def take(
        self, rollout: RolloutId, holder: str, ttl_ms: int, *, reason: str, dead: str | None = None
    ) -> Lease:
        """See `Journal.take`."""
        call = self._journal.take(rollout, holder, ttl_ms, reason=reason, dead=dead)
        return await self._mortal("take", call)

    async def renew(self, lease: Lease) -> Lease:
        """See `Journal.renew`."""
        self._alive()
        return await self._journal.renew(lease)

    async def append(self, lease: Lease, *records: Record, end: bool = False) -> int:
        """See `Journal.append`."""
        return await self._mortal(f"append {records}", self._journal.append(lease, *records, end=end))

    async def send(self, rollout: RolloutId, record: Unfenced) -> int:
        """See `Journal.send`."""
        return await self._mortal("send", self._journal.send(rollout, record))

    async def read(self, rollout: RolloutId | None = None, *, since: int = 0) -> tuple[Event, ...]:
        """See `Journal.read`."""
        self._alive()
        return await self._journal.read(rollout, since=since)

    async def rollouts(
        self,
        target: TargetId | None = None,
        *,
        unfinished: bool = False,
        damaged: list[RecordError] | None = None,
    ) -> tuple[RolloutInfo, ...]:
        """See `Journal.rollouts`."""
        self._alive()
        return await self._journal.rollouts(target, unfinished=unfinished, damaged=damaged)

    def _alive(self) -> None:
        if self._life.dead:
            raise Died

    async def _mortal(self, name: str, call: Awaitable[T]) -> T:
        try:
            self._life.boundary(f"before {name}")
        except Died:
            call.close()  # type: ignore[attr-defined]  # every call is a coroutine
            raise
        result = await call
        self._life.boundary(f"after {name}")
        return result


async def live(
    house: House, life: Life, deed: Callable[[Deployer], Awaitable[object]], *, lease: float = 15.0
) -> bool:
    """Let a program do something, until it dies; return whether it did die."""
    backend = SimulatedBackend(house.world, journal=MortalJournal(house.backend.journal, life))
    house.world.hook = life.hook
    died = False
    try:
        databases = house.databases
        await deed(
            Deployer(backend, checks=house.checks, databases=databases, clock=house.world.clock, lease=lease)
        )
    except* Died:
        died = True
    house.world.hook = None
    return died


async def recovered(house: House) -> tuple[RolloutResult, ...]:
    """Let the next program find what a dead one left, after its lease has expired."""
    house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
    return await house.another().recover()


async def promotion_was_intended(house: House) -> bool:
    """Whether the last rollout has passed its point of no return."""
    info = (await house.backend.journal.rollouts())[-1]
    point = info.plan.point_of_no_return
    return point is not None and any(
        isinstance(event.record, Intended) and event.record.step == point.id
        for event in await house.events(info.id)
    )


def promotion(plan: Plan) -> Promote:
    """Return the promotion of a plan that has one."""
    assert plan.point_of_no_return is not None
    return plan.point_of_no_return


def ended(events: Sequence[Event]) -> bool:
    """Whether the events tell an end."""
    return any(isinstance(event.record, Ended) for event in events)


def due_of(infos: Sequence[RolloutInfo]) -> list[Due]:
    """Return everything that is still to be done."""
    return [due for info in infos for due in info.due]


__all__ = [
    "BUSY",
    "FOUR",
    "ONE",
    "SHOP",
    "THREE",
    "TWO",
    "WORKER",
    "Died",
    "House",
    "Life",
    "MemoryJournal",
    "MortalJournal",
    "complaints",
    "due_of",
    "ended",
    "live",
    "promotion",
    "promotion_was_intended",
    "recovered",
    "release",
    "virtually",
]

"""The visitors of one simulated target."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, count
from math import inf
from typing import TYPE_CHECKING, final

from fairdeploy.model import WHOLE, Counters, Histogram, InstanceId, RevisionId, TargetId
from fairdeploy.testing.simulation.effect import Cause, Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairdeploy.testing.simulation.behaviour import Behaviour, Demand
    from fairdeploy.testing.simulation.machine import Machine

__all__ = ["Flow", "Serving"]

_BOUNDS_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0)


@final
class _Tally:
    """What was counted for one revision."""

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.requests = 0
        self.errors = 0
        self.buckets = [0] * (len(_BOUNDS_MS) + 1)

    def add(self, duration_ms: float, *, error: bool) -> None:
        self.requests += 1
        self.errors += error
        self.buckets[bisect_left(_BOUNDS_MS, duration_ms)] += 1

    def counters(self) -> Counters:
        return Counters(
            requests=self.requests,
            errors=self.errors,
            latency=Histogram(bounds_ms=_BOUNDS_MS, counts=tuple(accumulate(self.buckets[:-1]))),
            incarnation=str(self.incarnation),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """By what requests are routed, for as long as nothing changes.

    Args:
        shares: Of the split in force; ``None``: no traffic.
        members: Instances that the router sends requests to, by revision.
        until: When it may be otherwise even though nobody acts.
    """

    shares: Mapping[RevisionId, int] | None
    members: Mapping[RevisionId, tuple[InstanceId, ...]]
    until: float


@final
class Flow:
    """Requests of one target, worked out up to a moment whenever somebody looks.

    Args:
        target: Whose visitors.
        demand: What they want.
        seed: Of their chance.
        serving: By what requests are routed at a moment.
        machines: By instance, also those that were stopped.
        behaviour: Of a revision.
    """

    def __init__(
        self,
        target: TargetId,
        demand: Demand,
        *,
        seed: int,
        serving: Callable[[float], Serving],
        machines: Mapping[InstanceId, Machine],
        behaviour: Callable[[RevisionId], Behaviour],
    ) -> None:
        self._target = target
        self._demand = demand
        self._chance = random.Random(f"{seed}/{target}")  # noqa: S311 -- simulated chance, not secrecy
        self._look = serving
        self._serving: Serving | None = None
        self._machines = machines
        self._behaviour = behaviour
        self._next = inf
        self._turn = count()
        self._numbers = count()
        self._under_way: list[tuple[float, int, InstanceId, RevisionId, float, bool]] = []
        self._tallies: dict[RevisionId, _Tally] = {}
        self._incarnations = count(1)
        self.sent = 0
        self.answered = 0
        self.unrouted = 0
        self.losses: list[Loss] = []

    def begin(self, now: float) -> None:
        """Let visitors come from now on, if there are any and they do not come already."""
        if self._demand.rate > 0 and self._next == inf:
            self._next = now

    def advance(self, now: float) -> None:
        """Work out everything up to a moment."""
        while self._next <= now:
            self._finish(self._next)
            self._arrive(self._next)
            self._next += 1 / self._demand.rate
        self._finish(now)

    def changed(self) -> None:
        """Route by what is so from now on: somebody acted, or an instance came or went."""
        self._serving = None

    def in_flight(self) -> dict[InstanceId, int]:
        """Return requests under way by instance."""
        counts: dict[InstanceId, int] = {}
        for _, _, instance, *_ in self._under_way:
            counts[instance] = counts.get(instance, 0) + 1
        return counts

    def streams(self) -> int:
        """Return how many of them are streams."""
        return sum(stream for *_, stream in self._under_way)

    def cut(self, machine: Machine, now: float, cause: Cause) -> None:
        """Lose what is under way on an instance."""
        kept = [each for each in self._under_way if each[2] != machine.id]
        for _ in range(len(self._under_way) - len(kept)):
            self._lose(now, cause, machine.id)
        self._under_way = kept
        heapq.heapify(self._under_way)

    def know(self, revisions: frozenset[RevisionId]) -> None:
        """Count for these revisions; forget the others, so that they begin anew if they come back."""
        self._tallies = {
            revision: self._tallies.get(revision) or _Tally(next(self._incarnations))
            for revision in sorted(revisions)
        }

    def counters(self) -> dict[RevisionId, Counters]:
        """Return what was counted by revision."""
        return {revision: tally.counters() for revision, tally in self._tallies.items()}

    def _finish(self, now: float) -> None:
        while self._under_way and self._under_way[0][0] <= now:
            _, _, _, revision, duration_ms, _ = heapq.heappop(self._under_way)
            self.answered += 1
            tally = self._tallies.get(revision)
            if tally is not None:
                share = self._behaviour(revision).error_share
                tally.add(duration_ms, error=share > 0 and self._chance.random() < share)

    def _arrive(self, now: float) -> None:
        self.sent += 1
        serving = self._serving
        if serving is None or now >= serving.until:
            serving = self._serving = self._look(now)
        if serving.shares is None:
            self.unrouted += 1
            return
        revision = self._choose(serving.shares)
        members = serving.members.get(revision)
        if not members:
            self._lose(now, "no_member")
            return
        self._send(now, revision, members[next(self._turn) % len(members)])

    def _send(self, now: float, revision: RevisionId, instance: InstanceId) -> None:
        machine = self._machines.get(instance)
        ends = machine.ready_until(now) if machine is not None else None
        if machine is None or ends is None:
            self._lose(now, "lost" if machine is not None and machine.lost else "not_ready", instance)
            return
        demand, chance = self._demand, self._chance.random
        stream = demand.stream_share > 0 and chance() < demand.stream_share
        spread = demand.low_ms + (demand.high_ms - demand.low_ms) * chance()
        duration_ms = demand.stream_seconds * 1000 if stream else spread * self._behaviour(revision).slowness
        end = now + duration_ms / 1000
        if end > ends:
            self._lose(ends, "crashed", instance)
            return
        entry = (end, next(self._numbers), instance, revision, duration_ms, stream)
        heapq.heappush(self._under_way, entry)

    def _choose(self, shares: Mapping[RevisionId, int]) -> RevisionId:
        point = int(self._chance.random() * WHOLE)
        for revision, share in shares.items():
            point -= share
            if point < 0:
                return revision
        raise AssertionError(f"the shares {dict(shares)!r} do not sum to {WHOLE}")

    def _lose(self, at: float, cause: Cause, instance: InstanceId = "") -> None:
        self.losses.append(Loss(at=at, target=self._target, instance=instance, cause=cause))

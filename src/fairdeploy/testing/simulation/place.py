"""What is there of one simulated target."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import final

from fairdeploy.model import Deployment, InstanceId, Release, Revision, RevisionId, Routes, TargetId
from fairdeploy.testing.simulation.flow import Flow, Serving
from fairdeploy.testing.simulation.machine import Machine

__all__ = ["Place"]


@final
@dataclass(slots=True, kw_only=True)
class Place:
    """What is there of one target."""

    flow: Flow
    machines: dict[InstanceId, Machine]
    epochs: dict[str, int] = field(default_factory=dict)
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

    def known(self, instance: InstanceId, at: float) -> bool:
        """Whether the router, if there is one, sends an instance requests now and by its last document."""
        documents = [routes for routes in (self.written, self.served(at)) if routes is not None]
        return all(any(m.instance == instance for p in r.pools for m in p.members) for r in documents)

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

"""What is there beside a golden journal: a simulated world as JSON, and back."""

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from fairdeploy.model import Release, Routes
from fairdeploy.model.canonical import plain
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.simulation import SimulatedMigration, SimulatedStore, World
from fairdeploy.testing.simulation.database import Contents
from fairdeploy.testing.simulation.machine import Machine
from tests.engine.simulated import BUSY

if TYPE_CHECKING:
    from fairdeploy.testing.simulation.place import Place

__all__ = ["frozen", "frozen_stores", "thawed", "thawed_stores"]

_LATER = 3_600.0
"""Seconds after which somebody comes to recover: every lease has expired."""


def frozen(world: World) -> dict[str, Any]:  # JSON
    """Return what is there now. Times are seconds from now."""
    now = world.now()
    return {
        "wall": world.clock.wall(),
        "places": {target: _frozen(place, now) for target, place in sorted(world.places.items())},
    }


def _frozen(place: Place, now: float) -> dict[str, Any]:  # JSON
    return {
        "epoch": max(place.epochs.values(), default=0),
        "stable": place.stable,
        "replicas": dict(place.replicas),
        "releases": {revision: plain(release) for revision, release in place.releases.items()},
        "routes": plain(place.written),
        "jobs": {key: began - now for key, began in place.jobs.items()},
        "machines": [
            {
                "id": machine.id,
                "revision": machine.revision,
                "address": machine.address,
                "quiescing": machine.quiescing,
                "spans": [[begin - now, None if end == inf else end - now] for begin, end in machine.spans],
            }
            for machine in place.running()
        ],
    }


def thawed(kept: dict[str, Any]) -> World:  # JSON
    """Return a world in which the same is there, an hour later. Call it within the event loop's virtual time."""
    world = World(clock=VirtualClock(kept["wall"] + _LATER), demand=BUSY, check_seconds=0.01)
    now = world.clock.monotonic() - _LATER
    for target, parts in kept["places"].items():
        place = world.place(target)
        place.stable = parts["stable"]
        place.epochs.update(backend=parts["epoch"], router=parts["epoch"])
        place.replicas.update(parts["replicas"])
        for revision, release in parts["releases"].items():
            place.releases[revision] = TypeAdapter(Release).validate_json(json.dumps(release))
        if parts["routes"] is not None:
            place.documents.append((now, TypeAdapter(Routes).validate_json(json.dumps(parts["routes"]))))
        place.jobs.update({key: now + began for key, began in parts["jobs"].items()})
        for each in parts["machines"]:
            spans = [(now + begin, inf if end is None else now + end) for begin, end in each["spans"]]
            machine = Machine(id=each["id"], revision=each["revision"], address=each["address"])
            machine.quiescing, machine.spans = each["quiescing"], spans
            place.machines[machine.id] = machine
    return world


def frozen_stores(stores: dict[str, SimulatedStore]) -> dict[str, Any]:  # JSON
    """Return what the databases hold."""
    return {
        name: {
            "migrations": [plain(each) for each in store.migrations],
            "held": plain(store.held),
            "frozen": store.frozen,
            "backups": {key: plain(held) for key, held in store.backups.items()},
            "restored": sorted(store.restored),
        }
        for name, store in sorted(stores.items())
    }


def thawed_stores(kept: dict[str, Any]) -> dict[str, SimulatedStore]:  # JSON
    """Return databases that hold the same; there are none in journals of the first schema."""
    stores = {}
    for name, parts in kept.get("stores", {}).items():
        store = SimulatedStore(tuple(SimulatedMigration(**each) for each in parts["migrations"]))
        store.held, store.frozen = Contents(**parts["held"]), parts["frozen"]
        store.backups.update({key: Contents(**held) for key, held in parts["backups"].items()})
        store.restored.update(parts["restored"])
        stores[name] = store
    return stores

"""Makes the golden journals: `python -m tests.journal.make_golden` after a new kind of step, or a new schema.

A program dies at every boundary of a few rollouts; of each kind of step and place in it, the first journal found is
kept, with what was there beside it. What is in a folder of an older schema is never made anew: it is what was written
then, and every later version must recover it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from fairdeploy.engine import Deployer
from fairdeploy.errors import DeploymentError
from fairdeploy.journal import MemoryJournal, SQLiteJournal, export, fill
from fairdeploy.journal.database import FORMAT
from fairdeploy.model import (
    SCHEMA,
    CheckResult,
    ErrorRate,
    Intended,
    Job,
    RunJob,
    Settled,
    Shift,
    Undoing,
    Verdict,
)
from fairdeploy.strategies import Approved, BlueGreen, Canary, Delegated, Migrated, Rolling
from fairdeploy.testing.clock import VirtualClock
from fairdeploy.testing.conformance import _written
from fairdeploy.testing.simulation import Behaviour, SimulatedMigration, SimulatedStore, World
from tests.engine.simulated import BUSY, ONE, SHOP, TWO, WORKER, House, Life, live, virtually
from tests.journal.golden_worlds import frozen, frozen_stores, thawed, thawed_stores

if TYPE_CHECKING:
    from fairdeploy.model import Event, MigrationClass, Target
    from fairdeploy.protocols import RolloutInfo, Strategy

FOLDER = Path(__file__).parent / "golden" / f"schema-{SCHEMA}"
HOLDER = "deployer@golden:1 boot=b ns=1 start=1"
FILE = FOLDER.parent / f"format-{FORMAT}.sqlite"
RECORDS = FOLDER / "records.jsonl"
_FIRST_EFFECT = 6
"""Boundary after the first effect: begin and intent are written before it, each with two boundaries."""
PLACES = ("intended", "acted", "done", "undo")


@dataclass(frozen=True)
class Story:
    """What a program was doing when it died."""

    deed: Callable[[Deployer], Awaitable[object]]
    behaviour: Behaviour | None = None
    smoke: Verdict = Verdict.PASS
    first: Callable[[Deployer], Awaitable[object]] | None = None
    """What another program did before, until it died with its first effect."""
    store: SimulatedStore | None = None
    """A database; made anew for each program."""
    target: Target = SHOP


def deploying(
    strategy: Strategy, *, job: bool = False, target: Target = SHOP
) -> Callable[[Deployer], Awaitable[object]]:
    """Return the deed of deploying the second release, with a job before its first traffic if wanted."""

    async def deed(deployer: Deployer) -> None:
        plan = await deployer.plan(target, TWO, strategy)
        if job:
            first = next(number for number, step in enumerate(plan.steps) if isinstance(step, Shift))
            step = RunJob("job", target=SHOP.id, revision=TWO.revision, job=Job("seed", command=["seed"]))
            plan = replace(plan, steps=(*plan.steps[:first], step, *plan.steps[first:]))
        with suppress(DeploymentError):
            async with deployer.run(plan) as rollout:
                await rollout.result()

    return deed


def _migrated(change: MigrationClass, *, read_only: bool = False, backup: bool | None = None) -> Strategy:
    watched = BlueGreen(
        watch=1, keep_warm=0, preview_header=None, analysis=[ErrorRate(max_percent=5, min_requests=10)]
    )
    return Migrated(watched, database="shop", to="2", change=change, read_only=read_only, backup=backup)


def _store(change: MigrationClass) -> SimulatedStore:
    return SimulatedStore((SimulatedMigration("1"), SimulatedMigration("2", change=change)))


STORIES = {
    "canary": Story(deploying(Canary(steps=(25, 100), bake=2, keep_warm=0))),
    "bad smoke": Story(deploying(Canary(steps=(25, 100), bake=2)), smoke=Verdict.FAIL),
    "rolling": Story(deploying(Rolling(max_surge=1))),
    "bad": Story(deploying(Canary(steps=(25, 100), bake=30, keep_warm=0)), Behaviour(error_share=0.2)),
    "never ready": Story(deploying(Canary(steps=(25, 100), bake=1)), Behaviour(ready=False)),
    "not there": Story(deploying(Canary(steps=(25, 100), bake=1)), Behaviour(start_error="no such image")),
    "scale, and back": Story(
        lambda deployer: deployer.recover(), first=lambda deployer: deployer.scale(SHOP, 5)
    ),
    "overslept": Story(deploying(Approved(BlueGreen(watch=1, keep_warm=0), timeout=5, then="continue"))),
    "approved": Story(deploying(Approved(BlueGreen(watch=1, keep_warm=0), timeout=60))),
    "job": Story(deploying(BlueGreen(watch=1, keep_warm=0), job=True)),
    "reversible, bad": Story(
        deploying(_migrated("reversible", read_only=True)),
        Behaviour(error_share=0.5),
        store=_store("reversible"),
    ),
    "destructive, bad": Story(
        deploying(_migrated("destructive")), Behaviour(error_share=0.5), store=_store("destructive")
    ),
    "read only": Story(
        deploying(_migrated("additive", read_only=True, backup=True)), store=_store("additive")
    ),
    "broken backup": Story(
        deploying(_migrated("additive", backup=True)), store=replace(_store("additive"), broken=True)
    ),
    "delegated": Story(deploying(Delegated(watch=2), target=WORKER), target=WORKER),
    "delegated, not there": Story(
        deploying(Delegated(ready_deadline=2), target=WORKER), Behaviour(ready=False), target=WORKER
    ),
    "bad job": Story(deploying(BlueGreen(watch=1, keep_warm=0), job=True), Behaviour(job_codes={"seed": 1})),
}


def place_of(info: RolloutInfo, events: tuple[Event, ...], where: str) -> set[tuple[str, str]]:
    """Return in the middle of which kinds of steps a rollout is, and where in them."""
    records = [event.record for event in events]
    steps = {step.id: step for step in info.plan.steps}
    turned = next((record.step for record in records if isinstance(record, Undoing)), None)
    if turned is not None:
        last = next((r.undo for r in reversed(records) if isinstance(r, Intended) and r.undo), None)
        kinds = {steps[turned].kind} if turned in steps else set[str]()
        return {(kind, "undo") for kind in kinds | ({last.kind} if last is not None else set())}
    acted = where.startswith(("after backend", "after router", "after database"))
    places: set[tuple[str, str]] = set()
    match records[-1]:
        case Intended(step=step) if step in steps:
            places.add((steps[step].kind, "acted" if acted else "intended"))
    # An end and the next beginning are often one append.
    match next((r for r in reversed(records) if not isinstance(r, Intended)), None):
        case Settled(step=step) if step in steps and not acted:
            places.add((steps[step].kind, "done"))
    return places


async def died(story: Story, boundary: int) -> tuple[House, str] | None:
    """Let the program of a story die at a boundary; ``None`` if it does not get that far."""
    behaviours = {TWO.revision: story.behaviour} if story.behaviour is not None else {}

    async def smoke(_subject: object, /) -> CheckResult:
        return CheckResult(story.smoke)

    stores = {"shop": replace(story.store)} if story.store is not None else {}
    for store in stores.values():
        store.backups, store.restored = {}, set()
    house = House(World(behaviours, demand=BUSY, check_seconds=0.01), stores=stores)
    await house.standing(ONE, target=story.target)
    house.checks["smoke"] = smoke
    if story.first is not None:
        await live(house, Life(_FIRST_EFFECT), story.first)
        house.world.clock.jump(60)  # type: ignore[attr-defined]  # a `VirtualClock`
    life = Life(boundary)
    return (house, life.where) if await live(house, life, story.deed) else None


async def kept(house: House) -> list[str]:
    """Return a golden journal's lines: what is there beside it, then its export, without a name of this machine."""
    info = (await house.backend.journal.rollouts())[-1]
    first = (await house.backend.journal.rollouts())[0]
    lines = [line async for line in export(house.backend.journal)]
    there = {**frozen(house.world), "stores": frozen_stores(house.stores)}
    text = "\n".join([json.dumps(there, sort_keys=True), *lines])
    for name, neutral in ((info.id, "golden"), (first.id, "first"), (info.holder, HOLDER)):
        text = text.replace(json.dumps(name)[1:-1], neutral)
    return text.split("\n")


async def end_of(lines: list[str]) -> dict[str, Any]:  # JSON
    """Recover a golden journal, and return how it ended."""
    there = json.loads(lines[0])
    house = House(thawed(there), stores=thawed_stores(there))
    journal = house.backend.journal
    assert isinstance(journal, MemoryJournal)
    await fill(journal, lines[1:])
    (result,) = await house.another().recover()
    house.unharmed()
    databases = {name: [store.version, store.frozen] for name, store in house.stores.items()}
    (target,) = (base.target for base in (await journal.rollouts())[-1].plan.bases)
    return {"outcome": str(result.outcome), "stable": house.stable(target), "databases": databases}


def main() -> None:
    """Make what is missing in the folder of the present schema, and a file of the present format."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not RECORDS.exists():
        RECORDS.write_text("\n".join(anyio.run(every_record)) + "\n", encoding="utf-8")
    if not FILE.exists():
        anyio.run(file)
    for name in sys.argv[1:] or STORIES:
        story = STORIES[name]
        boundary = 0
        while True:
            boundary += 1
            found = virtually(partial(_one, story, boundary))
            if found is None:
                break
            for (kind, place), lines in found.items():
                path = FOLDER / f"{kind}-{place}.jsonl"
                if not path.exists():
                    end = virtually(partial(end_of, lines))
                    header = {"golden": f"{kind}-{place}", "schema": SCHEMA, **end}
                    path.write_text("\n".join([json.dumps(header), *lines]) + "\n", encoding="utf-8")
                    sys.stdout.write(f"{path.name} {header}\n")


async def every_record() -> list[str]:
    """Return the export of a rollout with a record of each kind."""
    journal = MemoryJournal(VirtualClock(1_767_225_600.0 - anyio.current_time()))
    lease = await journal.begin("golden", _written.plan(), HOLDER, 15_000)
    await journal.take("golden", HOLDER, 15_000, reason="dead", dead=HOLDER)
    lease = replace(lease, epoch=lease.epoch + 1)
    await journal.append(lease, *_written.every_kind("golden"), end=True)
    return [line async for line in export(journal)]


async def file() -> None:
    """Write a file in the present format, with a rollout that has ended and one that has not."""
    async with SQLiteJournal.open(FILE) as journal:
        lease = await journal.begin("first", _written.plan(), HOLDER, 1)
        await journal.append(lease, *_written.every_kind("first"), end=True)
        lease = await journal.begin("golden", _written.plan(), HOLDER, 1)
        await journal.append(lease, Intended(step="start"), Settled(step="start"), Intended(step="verify"))


async def _one(story: Story, boundary: int) -> dict[tuple[str, str], list[str]] | None:
    found = await died(story, boundary)
    if found is None:
        return None
    house, where = found
    infos = await house.backend.journal.rollouts()
    if len(infos) < 2 or not infos[-1].open:
        return {}
    places = place_of(infos[-1], await house.events(infos[-1].id), where)
    return dict.fromkeys(places, await kept(house)) if places else {}


if __name__ == "__main__":
    main()

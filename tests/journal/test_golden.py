"""Journals that older versions left in the middle of every kind of step: each is brought to the end that it says."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from fairdeploy.journal import MemoryJournal, SQLiteJournal, export, fill
from fairdeploy.model import Intended, Plan, Record, Step
from tests.engine.simulated import House, virtually
from tests.journal.golden_worlds import thawed, thawed_stores
from tests.journal.make_golden import PLACES

if TYPE_CHECKING:
    from fairdeploy.model import RolloutResult, Target

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path for path in GOLDEN.glob("schema-*/*-*.jsonl"))
KINDS = {kind.__dataclass_fields__["kind"].default for kind in get_args(get_args(Step)[0])}
RECORDS = {kind.__dataclass_fields__["kind"].default for kind in get_args(get_args(Record)[0])}
NEVER = {("promote", "undo")} | {(kind, "acted") for kind in ("verify", "bake", "await")}
NEVER |= {("restore", place) for place in ("intended", "acted", "done")}
"""There is no way back behind a promotion, these steps have no effects, and a restore is a way back."""


def name(path: Path) -> str:
    """Name a golden journal in a test's id."""
    return f"{path.parent.name}/{path.stem}"


def test_every_kind_of_step_has_golden_journals() -> None:
    """From each place in the middle of it: a new kind of step comes with its journals."""
    wanted = {f"{kind}-{place}" for kind in KINDS for place in PLACES if (kind, place) not in NEVER}

    assert {path.stem for path in FILES} >= wanted, "run `python -m tests.journal.make_golden`"


def test_every_kind_of_record_is_in_one() -> None:
    """A new kind of record comes with a journal that holds it."""
    held = {
        json.loads(line)["record"]["kind"]
        for path in GOLDEN.glob("schema-*/*.jsonl")
        for line in _lines(path)
        if line.startswith('{"kind":"event"')
    }

    assert held >= RECORDS, "run `python -m tests.journal.make_golden`"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_it_is_recovered_to_the_end_that_it_says(path: Path) -> None:
    """The base where no promotion was intended, promoted where one was; nothing is harmed, nothing left over."""
    header, kept, *lines = _lines(path)
    end = json.loads(header)

    async def story() -> tuple[House, RolloutResult, bool, Target]:
        there = json.loads(kept)
        house = House(thawed(there), stores=thawed_stores(there))
        journal = house.backend.journal
        assert isinstance(journal, MemoryJournal)
        await fill(journal, lines)
        promoting = await _promoting(journal)
        (result,) = await house.another().recover()
        house.unharmed()
        return house, result, promoting, (await journal.rollouts())[-1].plan.bases[0].target

    house, result, promoting, target = virtually(story)
    assert result.outcome == end["outcome"]
    assert result.promoted is promoting
    assert house.stable(target) == end["stable"]
    assert house.counts(target) == {end["stable"]: target.replicas}
    for name, (version, frozen) in end.get("databases", {}).items():
        assert (house.stores[name].version, house.stores[name].frozen) == (version, frozen)


async def _promoting(journal: MemoryJournal) -> bool:
    info = (await journal.rollouts())[-1]
    point = info.plan.point_of_no_return
    events = await journal.read(info.id)
    return any(
        isinstance(event.record, Intended) and point is not None and event.record.step == point.id
        for event in events
    )


@pytest.mark.anyio
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("schema-*/records.jsonl")), ids=name)
async def test_every_kind_of_record_is_read(path: Path) -> None:
    """What it says now is what it said then, and possibly more."""
    lines = _lines(path)
    journal = MemoryJournal()
    await fill(journal, lines)
    again = [line async for line in export(journal)]
    (info,) = await journal.rollouts()

    assert isinstance(info.plan, Plan)
    assert len(again) == len(lines)
    for then, now in zip(lines, again, strict=True):
        _holds(json.loads(now), json.loads(then))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _holds(now: object, then: object) -> None:
    """Whether everything in what was written is in what is written now."""
    match now, then:
        case dict(), dict():
            for key, value in then.items():
                _holds(now[key], value)
        case list(), list():
            assert len(now) == len(then)
            for one, other in zip(now, then, strict=True):
                _holds(one, other)
        case _:
            assert now == then


@pytest.mark.anyio
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("format-*.sqlite")), ids=lambda path: path.stem)
async def test_every_format_of_the_file_is_opened(path: Path, tmp_path: Path) -> None:
    """It is upgraded, holds what it held, and goes on."""
    file = tmp_path / "journal.db"
    shutil.copyfile(path, file)
    file.chmod(0o600)
    with closing(sqlite3.connect(file)) as connection:
        then = connection.execute("SELECT seq, record FROM event ORDER BY seq").fetchall()
    async with SQLiteJournal.open(file) as journal:
        events = await journal.read()
        infos = await journal.rollouts()
        lease = await journal.take(infos[-1].id, "me", 60_000, reason="left")
        last = await journal.append(lease, events[-1].record)

    assert [event.seq for event in events] == [seq for seq, _ in then]
    assert [event.record.kind for event in events] == [json.loads(text)["kind"] for _, text in then]
    assert last == events[-1].seq + 2

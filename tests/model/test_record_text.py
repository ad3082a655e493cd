from __future__ import annotations

import typing

import pytest

from fairdeploy.model import (
    Action,
    Began,
    Command,
    DeploymentState,
    Due,
    Ended,
    Event,
    Held,
    Intended,
    Judged,
    Noted,
    Outcome,
    Parked,
    Paused,
    Progressed,
    Record,
    Released,
    Resumed,
    Retried,
    RolloutResult,
    Settled,
    Shift,
    Split,
    TookOver,
    Undoing,
    Verdict,
)
from fairdeploy.model.record_text import line

NOON = 1_767_268_803_000
"""2026-01-01 12:00:03 UTC."""
RESULT = RolloutResult(
    "r1",
    outcome=Outcome.ROLLED_BACK,
    reason="error-rate failed",
    serving=(("shop/production", "1.4-a"),),
    started_ms=0,
    ended_ms=61_000,
)
BACK = Shift("undo-shift", target="shop/production", split=Split({"1.4-a": 7_500, "1.5-b": 2_500}))
LINES: list[tuple[Record, str, str]] = [
    (Began(plan_hash="ab" * 32, holder="me@host:1"), "begin", "plan abababababab, by me@host:1"),
    (TookOver(holder="you@host:2", reason="expired"), "take over", "by you@host:2: expired"),
    (Intended(step="shift-25"), "shift-25", "begins"),
    (
        Intended(step="undo-shift", phase="undo", undo=BACK),
        "undo-shift",
        "way back: traffic 1.4-a 75 % · 1.5-b 25 %",
    ),
    (
        Settled(step="shift-25", detail="1.4-a 75 % · 1.5-b 25 %"),
        "shift-25",
        "1.4-a 75 % · 1.5-b 25 %",
    ),
    (Settled(step="drain", phase="undo"), "drain", "way back: done"),
    (Retried(step="start", error="BackendError: busy"), "start", "again, because: BackendError: busy"),
    (Progressed(step="ready", message="1 of 2 ready"), "ready", "1 of 2 ready"),
    (
        Judged(guard="error-rate", verdict=Verdict.FAIL, action=Action.ROLLBACK, message="5 % of 200"),
        "error-rate",
        "fail -> rollback: 5 % of 200",
    ),
    (
        Judged(guard="error-rate", verdict=Verdict.NO_DATA, action=Action.CONTINUE),
        "error-rate",
        "no data",
    ),
    (Held(guard="db", message="down"), "db", "held: down"),
    (Released(guard="db"), "db", "goes on"),
    (Released(guard="db", message="up again"), "db", "goes on: up again"),
    (Command(verb="promote", full=True, by="me", reason="now"), "command", "promote in full by me: now"),
    (Command(verb="pause"), "command", "pause"),
    (Paused(reason="asked"), "paused", "asked"),
    (Resumed(), "resumed", ""),
    (Parked(until_ms=NOON), "parked", "until 2026-01-01 12:00:03 UTC, then goes back"),
    (Parked(then="resume"), "parked", "without a limit"),
    (
        Undoing(outcome="aborted", reason="asked", evidence=("a", "b"), step="bake-5"),
        "undo",
        "aborting at bake-5: asked (a; b)",
    ),
    (
        Due(target="shop/production", revision="1.4-a", at_ms=NOON),
        "due",
        "1.4-a in shop/production is removed after 2026-01-01 12:00:03 UTC",
    ),
    (
        Due(target="shop/production", revision="hold", at_ms=NOON, what="hold"),
        "due",
        "shop/production is on hold since 2026-01-01 12:00:03 UTC",
    ),
    (Noted(topic="hold", message="errors", by="me"), "hold", "by me: errors"),
    (
        Noted(topic="state", message="before", state=DeploymentState("shop/production", at_ms=1)),
        "state",
        "before (target shop/production: stable none, traffic none)",
    ),
    (
        Ended(result=RESULT),
        "end",
        "rolled back after 1 min 1 s: error-rate failed (1.4-a serves shop/production)",
    ),
]


def _event(record: Record) -> Event:
    return Event(seq=1, rollout="r1", epoch=1, at_ms=NOON, record=record)


@pytest.mark.parametrize(("record", "about", "happened"), LINES)
def test_every_event_is_one_readable_line(record: Record, about: str, happened: str) -> None:
    """Time of day, what it is about, what happened."""
    assert line(_event(record)) == f"12:00:03  {about:<12}  {happened}".rstrip()
    assert str(_event(record)) == line(_event(record))


def test_no_kind_of_record_is_left_out() -> None:
    """Each member of the union is in the table above."""
    union = typing.get_args(typing.get_args(Record)[0])

    assert {type(record) for record, _, _ in LINES} == set(union)


def test_what_others_wrote_stays_on_its_line() -> None:
    """Line breaks and escape sequences in a message become harmless."""
    shown = line(_event(Progressed(step="ready", message="a\n12:00:04  forged  \x1b[31mred")))

    assert "\n" not in shown
    assert "\x1b" not in shown

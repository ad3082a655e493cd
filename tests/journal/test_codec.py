from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, strategies as st

from fairdeploy.errors import InvalidInput, RecordError
from fairdeploy.journal import codec
from fairdeploy.model import (
    SCHEMA,
    Action,
    Bake,
    Base,
    Began,
    Command,
    DeploymentState,
    Due,
    Ended,
    Held,
    Intended,
    Judged,
    Noted,
    Outcome,
    Parked,
    Paused,
    Plan,
    Progressed,
    Promote,
    Record,
    Release,
    Released,
    Resumed,
    Retried,
    RolloutResult,
    Settled,
    Shift,
    Split,
    Target,
    TookOver,
    Undoing,
    Verdict,
)
from tests.journal.plans import due, ended, plan

TEXTS = st.text()
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(Began, plan_hash=TEXTS, holder=TEXTS),
    st.builds(TookOver, holder=TEXTS, reason=TEXTS),
    st.builds(Intended, step=TEXTS),
    st.just(Intended(step="u", phase="undo", undo=Shift("u", target="a/b", split=Split.all_to("r")))),
    st.just(Intended(step="u", phase="undo", undo=Promote("u", targets=(("a/b", "r"),)))),
    st.builds(Settled, step=TEXTS, detail=TEXTS),
    st.builds(Retried, step=TEXTS, error=TEXTS),
    st.builds(Progressed, step=TEXTS, message=TEXTS),
    st.builds(Judged, guard=TEXTS, verdict=st.sampled_from(Verdict), action=st.sampled_from(Action)),
    st.builds(Held, guard=TEXTS, message=TEXTS),
    st.builds(Released, guard=TEXTS),
    st.builds(Command, verb=st.sampled_from(["pause", "abort"]), full=st.booleans(), by=TEXTS),
    st.builds(Paused, reason=TEXTS),
    st.builds(Resumed, reason=TEXTS),
    st.builds(Parked, until_ms=st.none() | st.integers(0, 2**60)),
    st.builds(Undoing, outcome=st.just("aborted"), reason=TEXTS, evidence=st.tuples(TEXTS, TEXTS)),
    st.builds(Due, target=TEXTS, revision=TEXTS, at_ms=st.integers(0, 2**60)),
    st.builds(
        Noted,
        topic=st.just("state"),
        message=TEXTS,
        state=st.builds(DeploymentState, TEXTS, at_ms=st.integers(0, 2**60)),
    ),
    st.builds(
        Ended,
        result=st.builds(
            RolloutResult,
            TEXTS,
            outcome=st.sampled_from(Outcome),
            serving=st.tuples(st.tuples(TEXTS, TEXTS)),
        ),
    ),
)


@given(RECORDS)
def test_every_record_comes_back_equal(record: Record) -> None:
    """Writing and reading a record changes nothing."""
    assert codec.record(codec.encode(record), codec.VERSION, "it") == record


def test_every_kind_of_record_is_tried() -> None:
    """The test above leaves no kind out."""
    tried = {Began, TookOver, Intended, Settled, Retried, Progressed, Judged, Held, Released, Command}
    tried |= {Paused, Resumed, Parked, Undoing, Due, Noted, Ended}
    union = get_args(Record)[0]

    assert set(get_args(union)) == tried


def test_a_plan_keeps_its_hash() -> None:
    """A plan read back is equal, and so is what an approval approved."""
    again = codec.plan(codec.encode_plan(plan("a", "b")), "it")

    assert again == plan("a", "b")
    assert again.hash == plan("a", "b").hash


def test_results_and_dues_come_back() -> None:
    """The parts that a journal keeps beside its events survive too."""
    result = ended("r").result

    assert codec.result(codec.encode(result), "it") == result
    assert codec.dues(codec.encode((due(), due("b"))), "it") == (due(), due("b"))
    assert codec.dues("[]", "it") == ()


def test_text_that_is_no_unicode_can_still_be_read() -> None:
    """Half a surrogate pair in a log line is replaced; whole pairs and backslashes stay."""
    message = "\udc80 😀 \\ud800"
    back = codec.record(codec.encode(Progressed(step="x", message=message)), 1, "it")

    assert back == Progressed(step="x", message="? 😀 \\ud800")


def test_a_plan_is_never_mended() -> None:
    """A plan with text that cannot be recorded is refused: it would not be what was approved."""
    release = Release("1", command=["run", "{port}", "\udc80"])
    odd = Plan("x", bases=(Base(Target("a")),), releases={release.revision: release})
    with pytest.raises(InvalidInput, match="not Unicode"):
        codec.encode_plan(odd)
    assert codec.encode_plan(plan())


def test_what_cannot_be_recorded_is_refused() -> None:
    """A value outside of the records' types is the caller's mistake."""
    with pytest.raises(InvalidInput, match="cannot be recorded"):
        codec.encode(Progressed(step="x", message=object()))  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "[]",
        '{"kind": "hunter2"}',
        '{"kind": "paused", "reason": "", "hunter2": 1}',
        '{"kind": "paused", "reason": 5}',
        '{"kind": "due", "target": "a", "revision": "b", "at_ms": "10"}',
        '{"kind": "due", "target": "a", "revision": "b", "at_ms": 10.0}',
        "[" * 100_000,
    ],
)
def test_what_is_not_understood_is_refused_unseen(text: str) -> None:
    """Unknown kinds, unknown fields and coercions are refused; the input is not shown."""
    with pytest.raises(RecordError, match=r"^record 5 is not a record that") as caught:
        codec.record(text, codec.VERSION, "record 5")

    assert "hunter2" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_newer_plan_is_refused() -> None:
    """A plan of a later schema says so, whatever else it holds."""
    newer = codec.encode_plan(plan()).replace(f'"schema":{SCHEMA}', f'"schema":{SCHEMA + 1},"new":[]')
    with pytest.raises(RecordError, match=f"schema {SCHEMA + 1}.*upgrade fairdeploy"):
        codec.plan(newer, "the plan")


def test_bake_is_data() -> None:
    """A step of the way back is recorded whole."""
    record = Intended(step="b", phase="undo", undo=Bake("b", target="a/b", duration_ms=5))

    assert codec.record(codec.encode(record), 1, "it") == record

"""What a step needs next, from one look: a table, and what must hold for every look."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from fairdeploy.engine.decide import (
    Done,
    Ensure,
    Failed,
    Forget,
    Mark,
    Quiesce,
    Remove,
    Route,
    Situation,
    Wait,
    decide,
    decide_mark,
    surplus,
)
from fairdeploy.engine.world import Seen, wanted_routes
from fairdeploy.model import (
    MATCH_STABLE,
    AwaitReady,
    Base,
    Deployment,
    Drain,
    Instance,
    Plan,
    Promote,
    Retire,
    Revision,
    Scale,
    Shift,
    Split,
    Start,
    Traffic,
)
from tests.engine.simulated import ONE, SHOP, TWO

if TYPE_CHECKING:
    from fairdeploy.engine.decide import Decision, Observable
    from fairdeploy.model import RevisionId

OLD, NEW = ONE.revision, TWO.revision
BASE = Base(SHOP, stable=OLD, candidate=NEW, split=Split.all_to(OLD), replicas=2, revisions=(OLD,))
PLAN = Plan("test", bases=(BASE,), releases={OLD: ONE, NEW: TWO})
FORTH = Situation(plan=PLAN, base=BASE, rule=None)


def instance(number: int, revision: RevisionId = NEW, **how: object) -> Instance:
    """Return an instance that is ready unless told otherwise."""
    return replace(
        Instance(f"i{number}", revision=revision, address=f"h:{number}", ready=True, state="running"),
        **how,  # type: ignore[arg-type]  # by the test
    )


def seen(
    *instances: Instance, replicas: int | None = None, split: Split | None = None, **how: object
) -> Seen:
    """Return a look at some instances, with a router that has taken what was wanted for them."""
    by: dict[RevisionId, list[Instance]] = {}
    for each in instances:
        by.setdefault(each.revision, []).append(each)
    revisions = tuple(
        Revision(
            key,
            replicas=replicas if replicas is not None else sum(not i.quiescing for i in value),
            instances=tuple(value),
        )
        for key, value in by.items()
    )
    look = Seen(deployment=Deployment(SHOP.id, revisions=revisions, stable=OLD), traffic=Traffic())
    rule = Shift("s", target=SHOP.id, split=split) if split else None
    routes = wanted_routes(PLAN, BASE, rule, look)
    healthy = frozenset(i.id for i in instances if i.ready)
    traffic = Traffic(written=routes, acknowledged=True, healthy=healthy, in_flight={}, streams=0)
    return replace(look, traffic=replace(traffic, **how))  # type: ignore[arg-type]  # by the test


UP = [instance(1), instance(2)]
GOING = instance(3, quiescing=True)
START = Start("s", target=SHOP.id, revision=NEW, replicas=2)
READY = AwaitReady("r", target=SHOP.id, revision=NEW)
DRAIN = Drain("d", target=SHOP.id, revision=NEW)
HALF = Drain("d", target=SHOP.id, revision=NEW, keep=1)
SHIFT = Shift("x", target=SHOP.id, split=Split.all_to(NEW))

TABLE: list[tuple[str, Observable, Seen, type]] = [
    ("drain: what the list leaves out is as busy", HALF, seen(UP[0], in_flight={"i3": 1}), Wait),
    ("drain: nothing is left out", HALF, seen(UP[0], in_flight={"i3": 0}), Done),
    ("start: nothing there", START, seen(), Ensure),
    ("start: too few", START, seen(UP[0]), Ensure),
    ("start: enough", START, seen(*UP), Done),
    ("start: more is left alone", START, seen(*UP, instance(4)), Done),
    (
        "scale: what quiesces is stopped",
        Scale("s", target=SHOP.id, revision=NEW, replicas=2),
        seen(*UP, GOING),
        Ensure,
    ),
    ("ready: not yet", READY, seen(UP[0], instance(2, ready=False)), Wait),
    ("ready: not yet seen by the router", READY, seen(*UP, healthy=frozenset({"i1"})), Wait),
    ("ready: not yet acknowledged", READY, seen(*UP, acknowledged=False), Wait),
    ("ready: not yet in the document", READY, seen(*UP, written=None), Route),
    ("ready", READY, seen(*UP), Done),
    (
        "ready: restarted too often",
        READY,
        seen(instance(1, ready=False, state="backoff", restarts=3)),
        Failed,
    ),
    (
        "ready: restarted, but not yet given up",
        READY,
        seen(instance(1, ready=False, state="backoff", restarts=2)),
        Wait,
    ),
    ("ready: exited for good", READY, seen(instance(1, ready=False, state="exited")), Failed),
    ("ready: one has died for good", READY, seen(UP[0], replicas=2), Ensure),
    ("shift: one has died since it was ready", SHIFT, seen(UP[0], replicas=2), Ensure),
    ("shift: the other one starts again", SHIFT, seen(UP[0], instance(2, ready=False), replicas=2), Wait),
    ("shift: what it has already, it keeps", SHIFT, seen(UP[0], replicas=2, split=Split.all_to(NEW)), Done),
    ("shift: not yet written", SHIFT, seen(*UP), Route),
    ("shift: not yet served", SHIFT, seen(*UP, split=Split.all_to(NEW), acknowledged=False), Wait),
    ("shift: served", SHIFT, seen(*UP, split=Split.all_to(NEW)), Done),
    ("drain: busy", DRAIN, seen(*UP, in_flight={"i1": 2}), Wait),
    ("drain: cannot be counted", DRAIN, seen(*UP, in_flight=None), Wait),
    ("drain: idle", DRAIN, seen(*UP), Done),
    ("drain: nobody there", DRAIN, seen(), Done),
    ("drain to one: mark", HALF, seen(*UP), Quiesce),
    ("drain to one: take out of the router", HALF, seen(UP[0], GOING, written=None), Route),
    ("drain to one: busy", HALF, seen(UP[0], GOING, in_flight={"i3": 1}), Wait),
    ("drain to one: the others may be busy", HALF, seen(UP[0], GOING, in_flight={"i1": 9}), Done),
    ("retire: there", Retire("r", target=SHOP.id, revision=NEW), seen(*UP), Remove),
    ("retire: gone", Retire("r", target=SHOP.id, revision=NEW), seen(), Done),
]


@pytest.mark.parametrize(
    ("step", "look", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_step_needs_what_the_look_says(step: Observable, look: Seen, wanted: type) -> None:
    """One row for each thing that a step can find."""
    assert isinstance(decide(step, FORTH, look), wanted)


def test_a_short_list_takes_no_traffic_away() -> None:
    """A member that a list leaves out stays one while the router finds it healthy; one that died does not."""
    before = seen(*UP, split=Split.all_to(NEW))
    short = replace(before, deployment=seen(UP[0], replicas=2).deployment)
    assert short.traffic is not None
    one = replace(short, traffic=replace(short.traffic, healthy=frozenset({"i1"})))
    rule = Shift("s", target=SHOP.id, split=Split.all_to(NEW))

    assert wanted_routes(PLAN, BASE, rule, short) == wanted_routes(PLAN, BASE, rule, before)
    assert [m.instance for m in wanted_routes(PLAN, BASE, rule, one).pools[0].members] == ["i1"]


def test_a_promotion_is_done_when_the_mark_is_seen() -> None:
    """Until then it is written again."""
    step = Promote("p", targets=((SHOP.id, NEW),))
    assert decide_mark(step, SHOP.id, seen()) == Mark(NEW)
    look = replace(seen(), deployment=Deployment(SHOP.id, stable=NEW))
    assert isinstance(decide_mark(step, SHOP.id, look), Done)


def test_streams_have_a_deadline_of_their_own() -> None:
    """While upgraded connections are left, theirs counts; after them, that of requests."""
    step = Drain("d", target=SHOP.id, revision=NEW, requests_ms=1, streams_ms=9)
    with_streams = decide(step, FORTH, seen(*UP, in_flight={"i1": 3}, streams=1))
    without = decide(step, FORTH, seen(*UP, in_flight={"i1": 3}))
    assert isinstance(with_streams, Wait)
    assert isinstance(without, Wait)
    assert (with_streams.overdue_ms, without.overdue_ms) == (9, 1)


def test_as_many_as_stable_is_counted_when_it_is_asked() -> None:
    """An autoscaler may have changed the number since the plan was made; it is never nothing."""
    step = Start("s", target=SHOP.id, revision=NEW, replicas=MATCH_STABLE)
    olds = [instance(n, OLD) for n in range(10, 15)]
    assert decide(step, FORTH, seen(*olds)) == Ensure(NEW, 5)
    assert decide(step, FORTH, seen()) == Ensure(NEW, 1)


def test_a_first_deploy_that_is_gone_is_forgotten_by_the_router() -> None:
    """Only on the way back, only when no revision is left."""
    base = replace(BASE, stable=None, split=None, revisions=())
    back = Situation(plan=PLAN, base=base, rule=None, backwards=True)
    nothing = Shift("f", target=SHOP.id, split=None)
    assert decide(nothing, back, seen()) == Forget()
    assert isinstance(decide(nothing, back, seen(*UP)), Route)
    assert isinstance(decide(nothing, back, seen(written=None)), Done)


def test_the_way_back_keeps_the_rule_that_was_written_while_it_waits_for_stable() -> None:
    """A shift that was intended and never written must not come into force by going back."""
    look = seen(instance(1, OLD), instance(2, OLD), instance(3, NEW), split=Split.all_to(OLD), written=None)
    look = replace(look, traffic=seen(instance(1, OLD), split=Split.all_to(OLD)).traffic)
    intended = Shift("x", target=SHOP.id, split=Split.all_to(NEW))
    back = Situation(plan=PLAN, base=BASE, rule=intended, backwards=True)
    decision = decide(AwaitReady("r", target=SHOP.id, revision=OLD), back, look)
    assert isinstance(decision, Route)
    assert decision.routes.split == Split.all_to(OLD)


instances = st.lists(
    st.builds(
        instance,
        st.integers(0, 30),
        st.sampled_from([OLD, NEW, "stranger-1"]),
        ready=st.booleans(),
        quiescing=st.booleans(),
        state=st.sampled_from(["starting", "running", "backoff", "exited"]),
        restarts=st.integers(0, 5),
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)
looks = st.builds(
    lambda several, acknowledged, flight, written: seen(
        *several, acknowledged=acknowledged, in_flight=flight, **({} if written else {"written": None})
    ),
    instances,
    st.booleans(),
    st.none() | st.dictionaries(st.sampled_from([f"i{n}" for n in range(31)]), st.integers(0, 3), max_size=4),
    st.booleans(),
)
steps: st.SearchStrategy[Observable] = st.one_of(
    st.builds(
        Start, st.just("s"), target=st.just(SHOP.id), revision=st.just(NEW), replicas=st.integers(1, 6)
    ),
    st.builds(
        Scale, st.just("s"), target=st.just(SHOP.id), revision=st.just(OLD), replicas=st.integers(0, 6)
    ),
    st.just(READY),
    st.just(SHIFT),
    st.builds(
        Drain,
        st.just("d"),
        target=st.just(SHOP.id),
        revision=st.sampled_from([OLD, NEW]),
        keep=st.none() | st.integers(0, 4),
    ),
    st.just(Retire("r", target=SHOP.id, revision=NEW)),
)


@given(steps, looks, st.booleans())
def test_no_decision_touches_a_stranger(step: Observable, look: Seen, backwards: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever is seen, a step names its own revision's instances only, and routes to none of the others."""
    decision: Decision = decide(step, replace(FORTH, backwards=backwards), look)
    strangers = {i.id for i in look.revision("stranger-1").instances}
    if isinstance(decision, Ensure):
        assert decision.revision == getattr(step, "revision", None)
        assert not decision.drained & strangers
    if isinstance(decision, Quiesce):
        assert not decision.instances & strangers
    if isinstance(decision, Route):
        assert {pool.revision for pool in decision.routes.pools} <= {OLD, NEW}
    if isinstance(decision, Remove):
        assert decision.revision == NEW


@given(looks, st.integers(0, 5))
def test_a_drain_marks_no_more_than_it_must_and_the_unready_first(look: Seen, keep: int) -> None:
    """Of what is active so many stay as are asked for, and no ready one goes before one that is not."""
    step = Drain("d", target=SHOP.id, revision=NEW, keep=keep)
    chosen = surplus(step, look)
    active = look.revision(NEW).active
    assert len(active) - len(chosen) == min(keep, len(active))
    left = [i for i in active if i.id not in chosen]
    if any(i.ready for i in active if i.id in chosen):
        assert all(i.ready for i in left)


@given(looks)
def test_what_quiesces_is_in_no_document(look: Seen) -> None:
    """Only what may get new work is a member."""
    routes = wanted_routes(PLAN, BASE, None, look)
    going = {i.id for r in look.deployment.revisions for i in r.quiescing}
    assert not going & {m.instance for pool in routes.pools for m in pool.members}

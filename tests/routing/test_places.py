"""Which revision has which place, and in which order members come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fairdeploy.errors import RouterError
from fairdeploy.model import HTTPProbe, Member, Pool, Routes, TCPProbe
from fairdeploy.routing.envoy.places import assign, eased, pruned
from fairdeploy.routing.envoy.state import State, decode, encode

START = State(
    epoch=1,
    serial=1,
    next_slot=0,
    token="secret",
    base_id=1,
    process=0,
    workers=2,
    endpoint="127.0.0.1:1",
    tls=None,
    routes=Routes(),
)


def member(number: int) -> Member:
    """Return a member that is at a port of its own."""
    return Member(f"i{number}", f"127.0.0.1:{1000 + number}")


@st.composite
def documents(draw: st.DrawFn) -> Routes:
    """Draw revisions with members; an address belongs to one revision."""
    owners = draw(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=6, max_size=6))
    revisions = draw(st.sets(st.sampled_from(["a", "b", "c"])))
    return Routes(
        tuple(
            Pool(
                revision,
                tuple(member(number) for number, owner in enumerate(owners) if owner == revision),
                draw(st.sampled_from([None, HTTPProbe("/a"), TCPProbe()])),
            )
            for revision in sorted(revisions)
        )
    )


@given(st.lists(documents(), max_size=5))
def test_places_hold_exactly_what_was_asked_for(history: list[Routes]) -> None:
    """After any history: a place per pool with its members, numbers never twice, the state survives its file."""
    state = START
    probes: dict[int, object] = {}
    for routes in history:
        state = pruned(assign(state, routes), set())
        for place in state.places:
            assert probes.setdefault(place.slot, (place.revision, place.probe)) == (
                place.revision,
                place.probe,
            )

    wanted = history[-1].pools if history else ()
    assert {place.revision: (place.members, place.probe) for place in state.places} == {
        pool.revision: (pool.members, pool.probe) for pool in wanted
    }
    assert decode(encode(state), Path("routes.json")) == state


@given(documents(), documents())
def test_members_stay_until_the_weights_have_changed(before: Routes, after: Routes) -> None:
    """Whoever serves now serves in the step before the weights, beside all who come; whoever leaves stays known."""
    old = assign(START, before)
    new = assign(old, after)
    between = {place.slot: place for place in eased(old, new).places}

    for place in new.places:
        serving = set(between[place.slot].members)
        assert serving >= set(place.members)
        assert serving >= {m for p in old.places if p.slot == place.slot for m in p.members}
        assert {*place.members, *place.leaving} == {
            *between[place.slot].members,
            *between[place.slot].leaving,
        }
        assert not {m.address for m in place.members} & {m.address for m in place.leaving}


def test_another_probe_is_another_place() -> None:
    """A cluster with traffic is never changed: the old one stays until its members are idle."""
    state = assign(START, Routes((Pool("a", (member(1),), HTTPProbe("/a")),)))
    state = assign(state, Routes((Pool("a", (member(1),), HTTPProbe("/b")),)))

    assert [(place.name, place.retired) for place in state.places] == [("s0", True), ("s1", False)]
    assert [place.name for place in pruned(state, {("s0", "127.0.0.1:1001")}).places] == ["s0", "s1"]
    assert [place.name for place in pruned(state, set()).places] == ["s1"]


def test_a_revision_that_comes_back_has_its_place_again() -> None:
    """However often it leaves and comes back before its members are idle."""
    both = Routes((Pool("a", (member(1),)), Pool("b", (member(2),))))
    only = Routes((Pool("a", (member(1),)),))
    state = assign(START, both)
    for _ in range(3):
        left = assign(state, only)
        assert [place.leaving for place in left.places] == [(), (member(2),)]
        assert assign(left, both).places == state.places
        state = assign(left, both)


def test_revisions_that_are_never_drained_are_refused_at_last() -> None:
    """The message names the revisions on which requests are still in flight."""
    state = START
    for number in range(12):
        state = assign(state, Routes((Pool(f"r{number}", (member(number),)),)))

    with pytest.raises(RouterError, match=r"still in flight on .*'r0'"):
        assign(state, Routes((Pool("last", (member(50),)),)))

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st

from fairdeploy.analysis import difference
from fairdeploy.model import Counters, Histogram

BOUNDS = (10.0, 100.0, 1_000.0)
NUMBERS = st.integers(0, 10**9)


@st.composite
def looks(draw: st.DrawFn) -> Counters:
    """Return what a router may say, one way or another."""
    counts = tuple(sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS))))
    return Counters(
        requests=draw(NUMBERS),
        errors=draw(NUMBERS),
        retries=draw(NUMBERS),
        latency=Histogram(bounds_ms=BOUNDS, counts=counts),
        incarnation=draw(st.sampled_from(["", "a"])),
    )


def _sum(a: Counters, b: Counters) -> Counters:
    counts = tuple(x + y for x, y in zip(a.latency.counts, b.latency.counts, strict=True))
    return replace(
        a,
        requests=a.requests + b.requests,
        errors=a.errors + b.errors,
        retries=a.retries + b.retries,
        latency=Histogram(bounds_ms=BOUNDS, counts=counts),
    )


@given(looks(), looks())
def test_what_was_added_is_the_difference(earlier: Counters, added: Counters) -> None:
    """A difference undoes a sum exactly, in every number."""
    found = difference(_sum(earlier, added), earlier)

    assert found == replace(added, incarnation=earlier.incarnation)


@given(looks(), looks())
def test_a_difference_is_never_negative(later: Counters, earlier: Counters) -> None:
    """Either the two belong together and nothing fell, or there is no difference."""
    found = difference(later, earlier)

    if found is not None:
        assert later.incarnation == earlier.incarnation
        assert min(found.requests, found.errors, found.retries, *found.latency.counts) >= 0


@given(looks())
def test_another_incarnation_is_no_difference(look: Counters) -> None:
    """Counting that began anew is never taken for progress."""
    assert difference(look, replace(look, incarnation="another")) is None


@given(looks())
def test_a_count_that_fell_is_no_difference(look: Counters) -> None:
    """A router that restarted unnoticed is noticed by its smaller numbers."""
    for name in ("requests", "errors", "retries"):
        assert difference(look, replace(look, **{name: getattr(look, name) + 1})) is None
    higher = Histogram(bounds_ms=BOUNDS, counts=tuple(count + 1 for count in look.latency.counts))
    assert difference(look, replace(look, latency=higher)) is None


def test_other_bounds_are_no_difference() -> None:
    """Histograms with other bounds cannot be compared."""
    look = Counters(requests=1, latency=Histogram(bounds_ms=(1.0,), counts=(1,)))

    assert difference(look, replace(look, latency=Histogram(bounds_ms=(2.0,), counts=(0,)))) is None


def test_a_router_without_requests_may_have_told_no_bounds() -> None:
    """The first look is often at nothing: it counts as zero everywhere."""
    later = Counters(requests=3, latency=Histogram(bounds_ms=(10.0,), counts=(2,)))

    assert difference(later, Counters()) == later
    assert difference(later, Counters(requests=1)) is None

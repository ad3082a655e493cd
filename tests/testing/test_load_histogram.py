"""Latencies in bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from fairdeploy.testing.load._histogram import Histogram

DURATIONS = st.lists(st.floats(min_value=2e-6, max_value=3600.0), min_size=1, max_size=200)


@given(durations=DURATIONS, share=st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_near_the_exact_ones(durations: list[float], share: float) -> None:
    """A percentile differs from the exact one by 1 % at most."""
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)

    exact = sorted(durations)[max(1, math.ceil(share * len(durations))) - 1]

    assert histogram.percentile(share) == pytest.approx(exact, rel=0.0101)
    assert histogram.max == max(durations)
    assert histogram.count == len(durations)


def test_extremes_are_counted() -> None:
    """What lies outside the range is counted at its edge, and the maximum stays exact."""
    histogram = Histogram()
    for duration in (0.0, -1.0, 1e-9, 1e9):
        histogram.record(duration)

    assert histogram.count == 4
    assert histogram.max == 1e9


def test_an_empty_histogram_says_zero() -> None:
    """Without a duration every figure is zero."""
    assert Histogram().percentile(0.5) == 0.0
    assert Histogram().max == 0.0

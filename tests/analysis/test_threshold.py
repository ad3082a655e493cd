from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, strategies as st

from fairdeploy.analysis import judge
from fairdeploy.model import Counters, ErrorRate, Histogram, Latency, Verdict

BOUNDS = (10.0, 50.0, 100.0, 500.0)


def _measured(*durations_ms: float, bounds: tuple[float, ...] = BOUNDS) -> Counters:
    counts = tuple(sum(each <= bound for each in durations_ms) for bound in bounds)
    return Counters(requests=len(durations_ms), latency=Histogram(bounds_ms=bounds, counts=counts))


def test_too_few_requests_are_no_data() -> None:
    """Below the minimum nothing is judged, and the message says how far it is."""
    result = judge(ErrorRate(min_requests=100), Counters(requests=37, errors=37))

    assert (result.verdict, result.message) == (Verdict.NO_DATA, "37 of 100 requests")


@pytest.mark.parametrize(
    ("errors", "verdict"), [(0, Verdict.PASS), (10, Verdict.PASS), (11, Verdict.FAIL), (1_000, Verdict.FAIL)]
)
def test_the_share_of_errors_decides(errors: int, verdict: Verdict) -> None:
    """The limit itself passes; above it fails, with the numbers as evidence."""
    result = judge(ErrorRate(max_percent=1), Counters(requests=1_000, errors=errors))

    assert result.verdict is verdict
    assert result.message == f"{errors / 10:.2f} % of 1000 requests failed, at most 1 % may"
    assert result.evidence == {
        "requests": 1_000,
        "errors": errors,
        "percent": errors / 10,
        "max_percent": 1.0,
    }


def test_a_tiny_share_is_not_called_nothing() -> None:
    """With no errors allowed, one in a million fails and is shown."""
    result = judge(ErrorRate(max_percent=0), Counters(requests=1_000_000, errors=1))

    assert result.verdict is Verdict.FAIL
    assert result.message.startswith("0.0001 % of 1000000")


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.floats(0, 99))
def test_more_errors_never_judge_better(requests: int, errors: int, limit: float) -> None:
    """The verdict is monotone in the number of errors."""
    check = ErrorRate(max_percent=limit, min_requests=1)
    errors = min(errors, requests - 1)
    fewer = judge(check, Counters(requests=requests, errors=errors)).verdict
    more = judge(check, Counters(requests=requests, errors=errors + 1)).verdict

    assert (fewer, more) != (Verdict.FAIL, Verdict.PASS)


@given(
    st.lists(st.floats(0, 1_000), min_size=1, max_size=200),
    st.integers(1, 1_000),
    st.sampled_from([1.0, 50.0, 90.0, 99.0, 99.9]),
)
def test_a_percentile_is_known_up_to_its_bound(durations: list[float], limit: int, percentile: float) -> None:
    """It passes exactly if the bucket that holds the true percentile ends within the limit."""
    check = Latency(max_ms=limit, percentile=percentile, min_requests=1)
    result = judge(check, _measured(*durations))

    rank = max(1, -int(-round(len(durations) * percentile / 100, 6) // 1))
    true = sorted(durations)[rank - 1]
    bound = next((each for each in BOUNDS if true <= each), inf)
    assert result.verdict is (Verdict.PASS if bound <= limit else Verdict.FAIL)


def test_beyond_the_last_bound_is_above() -> None:
    """A percentile that no bucket holds fails, and says so."""
    result = judge(Latency(max_ms=10_000, min_requests=1), _measured(900.0))

    assert (result.verdict, result.message) == (
        Verdict.FAIL,
        "p99 of 1 requests is above 500 ms, 10000 ms is the limit",
    )
    assert result.evidence == {"requests": 1, "percentile": 99.0, "bound_ms": None, "max_ms": 10_000}


def test_a_histogram_that_lags_behind_convicts_nobody() -> None:
    """Requests that are counted but not yet measured are not called slow."""
    latency = Histogram(bounds_ms=(10.0, inf), counts=(100, 100))
    result = judge(Latency(max_ms=10), Counters(requests=200, latency=latency))

    assert (result.verdict, result.message) == (
        Verdict.PASS,
        "p99 of 100 requests is at most 10 ms, 10 ms is the limit",
    )


def test_a_router_that_measures_nothing_gives_no_data() -> None:
    """Without a histogram there is no verdict on latency."""
    result = judge(Latency(min_requests=1), Counters(requests=5))

    assert (result.verdict, result.message) == (
        Verdict.NO_DATA,
        "the router measured no latency of 5 requests",
    )
    assert judge(Latency(), Counters(requests=5)).message == "5 of 100 requests"

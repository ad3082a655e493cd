"""Thresholds on what a router counted for one revision."""

from __future__ import annotations

from math import ceil, inf, isinf
from typing import assert_never

from fairdeploy.analysis.counted import measured
from fairdeploy.model import CheckResult, Counters, ErrorRate, Histogram, Latency, Verdict

__all__ = ["judge"]


def judge(check: ErrorRate | Latency, seen: Counters) -> CheckResult:
    """Return the verdict on what was counted since some moment.

    Args:
        check: The threshold.
        seen: A difference of two looks, as `difference` returns it.

    Returns:
        ``no_data`` below the check's ``min_requests``, else ``pass`` or ``fail``, with the
        numbers behind it as evidence.
    """
    match check:
        case ErrorRate():
            return _judge_errors(check, seen)
        case Latency():
            return _judge_latency(check, seen)
        case _:
            assert_never(check)


def _judge_errors(check: ErrorRate, seen: Counters) -> CheckResult:
    if seen.requests < check.min_requests:
        return _too_few(seen.requests, check.min_requests)
    percent = 100 * seen.errors / seen.requests
    return CheckResult(
        Verdict.PASS if percent <= check.max_percent else Verdict.FAIL,
        f"{_percent(percent)} % of {seen.requests} requests failed, at most {check.max_percent:g} % may",
        evidence={
            "requests": seen.requests,
            "errors": seen.errors,
            "percent": round(percent, 3),
            "max_percent": check.max_percent,
        },
    )


def _judge_latency(check: Latency, seen: Counters) -> CheckResult:
    requests = measured(seen)
    if requests < check.min_requests:
        return _too_few(requests, check.min_requests)
    if not seen.latency.bounds_ms:
        return CheckResult(
            Verdict.NO_DATA,
            f"the router measured no latency of {seen.requests} requests",
            evidence={"requests": seen.requests},
        )
    bound = _percentile(seen.latency, check.percentile, requests)
    above = isinf(bound)
    last = max((each for each in seen.latency.bounds_ms if not isinf(each)), default=0.0)
    found = f"above {last:g} ms" if above else f"at most {bound:g} ms"
    return CheckResult(
        Verdict.PASS if bound <= check.max_ms else Verdict.FAIL,
        f"p{check.percentile:g} of {requests} requests is {found}, {check.max_ms} ms is the limit",
        evidence={
            "requests": requests,
            "percentile": check.percentile,
            "bound_ms": None if above else bound,
            "max_ms": check.max_ms,
        },
    )


def _percentile(histogram: Histogram, percentile: float, total: int) -> float:
    """Return the first bound that so many percent do not exceed; infinity beyond the last."""
    # Rounded: 99.9 % of 1,000 is 999 requests, not 999.0000000000001.
    rank = ceil(round(total * percentile / 100, 6))
    pairs = zip(histogram.bounds_ms, histogram.counts, strict=True)
    return next((bound for bound, count in pairs if count >= rank), inf)


def _too_few(seen: int, wanted: int) -> CheckResult:
    return CheckResult(
        Verdict.NO_DATA,
        f"{seen} of {wanted} requests",
        evidence={"requests": seen, "min_requests": wanted},
    )


def _percent(value: float) -> str:
    """Return a share with as many digits as tell it from 0."""
    return f"{value:.2f}" if value >= 0.01 or value == 0 else f"{value:.2g}"

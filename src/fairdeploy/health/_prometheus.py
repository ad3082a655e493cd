"""Ask Prometheus for a number."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import anyio

from fairdeploy.health._http import UNCLEAR, Request, exchange
from fairdeploy.health.finding import Finding, failed, passed, unclear, unknown

if TYPE_CHECKING:
    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import PrometheusCheck
    from fairdeploy.model.canonical import JSON
    from fairdeploy.protocols import Subject

__all__ = ["ask_prometheus"]

_SHOWN = 200


async def ask_prometheus(check: PrometheusCheck, secrets: Secrets, subject: Subject) -> Finding:
    """Put an instant query (`/api/v1/query`), and hold every number against the limits."""
    asked = f"Prometheus {check.server!r}"
    headers = {} if check.bearer is None else {"authorization": f"Bearer {secrets[check.bearer]}"}
    request = Request(
        url=check.server.removesuffix("/") + "/api/v1/query",
        headers=headers,
        form={"query": _query(check.query, subject), "timeout": f"{check.timeout_ms}ms"},
        verify=check.verify,
    )
    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            answer = await exchange(request)
    # A source that is down says nothing about what it watches: never a fail.
    except TimeoutError:
        return unclear(asked, f"{asked} did not answer within {check.timeout_ms} ms")
    except UNCLEAR as error:
        return unclear(asked, f"{asked} cannot be asked: {str(error) or type(error).__name__}")
    try:
        body: JSON = json.loads(answer.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or body.get("status") != "success":
        why = str(body.get("error") if isinstance(body, dict) else "no JSON")[:_SHOWN]
        return unclear(asked, f"{asked} answered {answer.status}: {why}")
    if body.get("warnings"):
        return unclear(asked, f"{asked} answered in part: {str(body['warnings'])[:_SHOWN]}")
    try:
        numbers = _numbers(body["data"])
    except (KeyError, IndexError, TypeError, ValueError):
        return unclear(asked, f"{asked} answered what is neither numbers nor a number: aggregate the query")
    return _judged(check, asked, numbers)


def _query(query: str, subject: Subject) -> str:
    """Put the subject's names in their places; names hold nothing that PromQL would read otherwise."""
    return query.replace("{target}", str(subject.target.id)).replace("{revision}", subject.revision)


def _numbers(data: JSON) -> list[float]:
    """Return the samples of a vector, or the one of a scalar.

    Raises:
        ValueError: If it is of another type; or as with any document of another form.
    """
    if not isinstance(data, dict):
        raise TypeError(data)
    result = data["result"]
    if data["resultType"] == "scalar" and isinstance(result, list):
        return [float(str(result[1]))]
    if data["resultType"] != "vector" or not isinstance(result, list):
        raise ValueError(data["resultType"])
    return [
        float(str(each["value"][1]))
        for each in result
        if isinstance(each, dict) and isinstance(each["value"], list)
    ]


def _judged(check: PrometheusCheck, asked: str, numbers: list[float]) -> Finding:
    if not numbers:
        return unknown(asked, f"{check.query!r} gives no series")
    if len(numbers) > check.series:
        return unclear(
            asked,
            f"{check.query!r} gives {len(numbers)} series, expected at most {check.series}: aggregate it",
        )
    if any(math.isnan(number) for number in numbers):
        return unknown(asked, f"{check.query!r} gives no number: was there any traffic?")
    low, high = min(numbers), max(numbers)
    if check.low is not None and low < check.low:
        return failed(asked, f"{check.query!r} is {low:g}, expected at least {check.low:g}")
    if check.high is not None and high > check.high:
        return failed(asked, f"{check.query!r} is {high:g}, expected at most {check.high:g}")
    return passed(asked, f"{check.query!r} is {low:g}" + (f" to {high:g}" if high > low else ""))

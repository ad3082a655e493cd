"""What a Prometheus answered: read with distrust, one sentence for each thing that is wrong."""

from __future__ import annotations

import json
from math import inf, isfinite
from typing import TYPE_CHECKING

from fairdeploy.errors import MetricsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairdeploy.metrics._series import Part, Series
    from fairdeploy.model import RevisionId, TargetId

__all__ = ["PART", "REVISION", "parse", "query"]

PART = "fairdeploy_part"
REVISION = "fairdeploy_revision"
"""Labels that are added to each series, so that one query asks for all, of one moment."""

_MOST_SERIES = 2_000
_OK = 200
_SHOWN = 300
_WHOLE = 1e-6
"""How far from a whole number a count may be: PromQL counts in floating point."""


def query(target: TargetId, parts: Mapping[tuple[RevisionId, Part], str]) -> str:
    """Return one PromQL expression that tells the series of all parts apart."""
    marked = []
    for (revision, part), expression in parts.items():
        asked = expression.replace("{target}", _quoted(target)).replace("{revision}", _quoted(revision))
        # The line break ends a comment with which an expression may end.
        inner = f'label_replace(({asked}\n),"{PART}","{part}","","")'
        marked.append(f'label_replace({inner},"{REVISION}","{_quoted(revision)}","","")')
    return " or ".join(marked)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def parse(url: str, status: int, body: bytes) -> Iterator[tuple[RevisionId, Part, Series, str | None, int]]:
    """Yield each series of an answer: revision, part, labels, bound (``le``) and value.

    Raises:
        MetricsError: If it is no answer to count with; the message says why and what to do.
    """
    result = _result(url, status, _decoded(url, status, body))
    if len(result) > _MOST_SERIES:
        raise MetricsError(
            f"{url!r} answered {len(result)} series, at most {_MOST_SERIES} are read: let the queries add them up"
        )
    for each in result:
        labels = each.get("metric") if isinstance(each, dict) else None
        sample = each.get("value") if isinstance(each, dict) else None
        if not isinstance(labels, dict) or PART not in labels or REVISION not in labels:
            raise MetricsError(f"{url!r} answered a series without the labels that were asked for")
        if not isinstance(sample, list) or len(sample) != 2:
            raise MetricsError(
                f"{url!r} answered a series without one value (a native histogram?): query a counter"
            )
        part, revision = str(labels[PART]), str(labels[REVISION])
        bound = str(labels["le"]) if part == "latency" and "le" in labels else None
        own = {PART, REVISION} if bound is None else {PART, REVISION, "le"}
        rest = {key: str(value) for key, value in labels.items() if key not in own}
        yield revision, part, tuple(sorted(rest.items())), bound, _count(url, part, sample[1])


def _decoded(url: str, status: int, body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        kind = (
            "a redirect, which is not followed: give the final URL"
            if 300 <= status < 400
            else "no JSON object"
        )
        raise MetricsError(f"{url!r} answered {status} with {kind}; is it the URL of a Prometheus?")
    return answer


def _result(url: str, status: int, answer: dict[str, object]) -> list[object]:
    if answer.get("status") != "success" or status != _OK:
        said = str(answer.get("error") or answer.get("message") or "no reason given")[:_SHOWN]
        raise MetricsError(f"{url!r} answered {status}: {said}")
    if warnings := answer.get("warnings"):
        said = str(warnings[0] if isinstance(warnings, list) else warnings)[:_SHOWN]
        raise MetricsError(f"{url!r} answered with a warning, so that something may be missing: {said}")
    data = answer.get("data")
    result = data.get("result") if isinstance(data, dict) and data.get("resultType") == "vector" else None
    if not isinstance(result, list):
        raise MetricsError(f"{url!r} answered no vector of series: is it the URL of a Prometheus?")
    return result


def _count(url: str, part: Part, text: object) -> int:
    """Return a sample as a count.

    Raises:
        MetricsError: If it is none: not finite, below zero, or no whole number.
    """
    try:
        value = float(str(text))
    except ValueError:
        value = inf
    if not isfinite(value) or value < 0 or abs(value - round(value)) > _WHOLE * max(1.0, value):
        raise MetricsError(
            f"{url!r} answered {text!r} as a count of {part}: query the counter itself, without rate() or increase()"
        )
    return round(value)

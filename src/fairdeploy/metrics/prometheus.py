"""Counters in a Prometheus, by its HTTP API."""

from __future__ import annotations

import re
from collections import Counter
from math import isnan
from typing import TYPE_CHECKING, Protocol, final

import anyio.to_thread

from fairdeploy.errors import InvalidInput, MetricsError
from fairdeploy.metrics._answer import parse, query
from fairdeploy.metrics._series import Revised
from fairdeploy.model.canonical import canonical
from fairdeploy.system.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.metrics._series import Part, Series
    from fairdeploy.model import Counters, PrometheusSource, RevisionId, Target, TargetId

__all__ = ["PrometheusCounters"]

_SENDABLE = re.compile(r"[!-~]+")
"""Visible ASCII: what a bearer token is made of, and more (RFC 6750, section 2.1)."""


@final
class PrometheusCounters:
    """A `MetricSource`: what a `PrometheusSource` describes, opened.

    One query asks for everything, so that all numbers are of one moment. What cannot be counted
    with (no answer, a warning, NaN, a rate, too many series) is an error; no series for a revision
    is no data; neither is ever zero. Counting begins with the first look of this object.

    Args:
        source: Where to ask, and what.

    Raises:
        Unbound: If its token cannot be found.
        InvalidInput: If the token could not be sent.
    """

    def __init__(self, source: PrometheusSource) -> None:
        self._source = source
        self._token = Hidden(source.token.resolve()) if source.token is not None else None
        if self._token is not None and not _SENDABLE.fullmatch(self._token):
            # Refused here: whoever sends it would show it in an error.
            raise InvalidInput(
                f"the token of {source.url!r} holds what no header can: see what is in its secret"
            )
        self._url = f"{source.url.rstrip('/')}/api/v1/query"
        self._known: dict[tuple[TargetId, RevisionId], Revised] = {}

    async def counters(
        self, target: Target, revisions: frozenset[RevisionId]
    ) -> Mapping[RevisionId, Counters]:
        """See `MetricSource.counters`.

        Raises:
            MetricsError: If it cannot be asked, or its answer cannot be counted with.
        """
        if not revisions:
            return {}
        parts = {
            (revision, part): asked
            for revision in sorted(revisions)
            for part, asked in self._queries().items()
        }
        # httpx takes some 100 ms to import: in a thread, and only where it is asked for.
        post = await anyio.to_thread.run_sync(_import_http)
        status, body = await post(
            self._url,
            {"query": query(target.id, parts)},
            token=self._token,
            ca_file=self._source.ca_file,
            timeout_ms=self._source.timeout_ms,
        )
        found: dict[RevisionId, dict[tuple[Part, Series], int]] = {}
        for revision, part, series, bound, value in parse(self._url, status, body):
            key = self._part(part, bound), series
            reading = found.setdefault(revision, {})
            if key in reading:
                raise MetricsError(f"{self._url!r} answered two series of {part} with the same labels")
            reading[key] = value
        return {
            revision: self._counted(target, revision, reading)
            for revision, reading in found.items()
            if revision in revisions and any(part == "requests" for part, _ in reading)
        }

    def configuration(self) -> str:
        """See `MetricSource.configuration`."""
        return canonical(self._source)

    def _queries(self) -> dict[Part, str]:
        asked = {"requests": self._source.requests, "errors": self._source.errors}
        return asked if self._source.latency is None else {**asked, "latency": self._source.latency}

    def _part(self, part: Part, bound: str | None) -> Part:
        """Return what a series counts, with its bound in milliseconds.

        Raises:
            MetricsError: If a bucket says no bound.
        """
        if part != "latency":
            return part
        try:
            limit = float(bound or "")
        except ValueError:
            limit = float("nan")
        if isnan(limit):
            raise MetricsError(
                f"{self._url!r} answered latency with the bound {bound!r}: query ..._bucket, and keep its label 'le'"
            )
        return f"le:{round(limit * (1000 if self._source.latency_unit == 's' else 1), 6)}"

    def _counted(
        self, target: Target, revision: RevisionId, reading: dict[tuple[Part, Series], int]
    ) -> Counters:
        """Return what has been counted since the first look.

        Raises:
            MetricsError: If the parts do not belong together.
        """
        if not any(part == "errors" for part, _ in reading):
            raise MetricsError(
                f"{self._url!r} knows requests of {revision!r}, but its query for errors finds no series: "
                "end it with 'or vector(0)' if that means none"
            )
        buckets = Counter(part for part, _ in reading if part.startswith("le:"))
        if len(set(buckets.values())) > 1:
            raise MetricsError(
                f"{self._url!r} answered series of latency with different buckets: query one kind of them"
            )
        counters = self._known.setdefault((target.id, revision), Revised()).take(reading)
        if counters.errors > counters.requests:
            del self._known[target.id, revision]
            raise MetricsError(
                f"{self._url!r} counted {counters.errors} errors of {counters.requests} requests of {revision!r}: "
                "the queries must be about the same requests"
            )
        return counters


class _Posts(Protocol):
    async def __call__(
        self, url: str, form: Mapping[str, str], *, token: str | None, ca_file: str | None, timeout_ms: int
    ) -> tuple[int, bytes]: ...


def _import_http() -> _Posts:
    from fairdeploy.metrics._http import post  # noqa: PLC0415 -- see where it is called

    return post

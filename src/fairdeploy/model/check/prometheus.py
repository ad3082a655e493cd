"""A check that asks Prometheus for a number."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check import _http_parts
from fairdeploy.model.check.scope import Scope, prove_scope
from fairdeploy.model.secret import SecretRef

__all__ = ["PrometheusCheck"]

_MOST_SERIES = 10_000


@final
@dataclass(frozen=True, slots=True)
class PrometheusCheck:
    """An instant query gives numbers within limits.

    A server that is down or refuses the query is an ``error``; no series, or not a number, is
    ``no_data``: neither passes, and neither convicts.

    Args:
        query: In PromQL. ``{target}`` and ``{revision}`` in it are the ids of both.
        server: URL of the Prometheus, such as ``http://127.0.0.1:9090``.
        low: Least value that passes; ``None``: any.
        high: Largest value that passes; ``None``: any.
        series: Most series that the query may give, each of which must be within the limits, 1 to 10,000.
            More are an ``error``. Default 1.
        bearer: A token to send as ``Authorization: Bearer``.
        verify: As in `HTTPCheck`.
        timeout_ms: For the answer. Default 5 s.
        scope: ``revision``, where the query must hold ``{revision}``, or ``shared``, the default.

    Raises:
        InvalidInput: If there is no limit, the limits exclude each other, or query and scope do not fit.
    """

    __pydantic_config__ = STRICT

    query: str
    _: KW_ONLY
    server: str
    low: float | None = None
    high: float | None = None
    series: int = 1
    bearer: SecretRef | None = None
    verify: bool | str = True
    timeout_ms: int = 5_000
    scope: Scope = "shared"
    kind: Literal["prometheus"] = "prometheus"

    def __post_init__(self) -> None:
        """Prove query and limits; whole numbers are stored as floats, so that hashes agree."""
        prove_scope(self.scope)
        if not isinstance(self.query, str) or not self.query.strip():
            raise InvalidInput(f"query must be PromQL, such as 'up', not {self.query!r}")
        if (self.scope == "revision") != ("{revision}" in self.query):
            raise InvalidInput(
                f"PrometheusCheck of scope {self.scope!r} with the query {self.query!r}: "
                "{revision} goes with scope='revision'"
            )
        _http_parts.url(self.server, "server", "http://127.0.0.1:9090")
        for name in ("low", "high"):
            limit = getattr(self, name)
            if limit is None:
                continue
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
                raise InvalidInput(f"{name} must be a finite number, not {limit!r}")
            object.__setattr__(self, name, float(limit))
        if self.low is None and self.high is None:
            raise InvalidInput(f"PrometheusCheck({self.query!r}) would pass any number: give low= or high=")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InvalidInput(f"low={self.low:g} is above high={self.high:g}: nothing could pass")
        _check.whole(self.series, "series", low=1, high=_MOST_SERIES)
        _http_parts.secret(self.bearer, "bearer")
        _http_parts.trust(self.verify)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)

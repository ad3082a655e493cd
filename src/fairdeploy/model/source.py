"""Where requests are counted, as data: it travels inside a plan, and whoever recovers it can ask again."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal, TypeAlias, final
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT, Tagged
from fairdeploy.model.secret import SecretRef

__all__ = ["BoundSource", "PrometheusSource", "RouterSource", "Source"]

_PLACE = "{revision}"


@final
@dataclass(frozen=True, slots=True)
class RouterSource:
    """What the router itself has counted: nothing else is needed."""

    __pydantic_config__ = STRICT

    _: KW_ONLY
    kind: Literal["router"] = "router"


@final
@dataclass(frozen=True, slots=True)
class PrometheusSource:
    """Counters in a Prometheus, or in whatever answers its HTTP API.

    Queries are PromQL for counters as they stand, without ``rate`` or ``increase``; ``{revision}``
    in them is the revision's id, ``{target}`` the target's. Series are added up here, one by one, so
    that the counter of one instance that begins anew is noticed: give them without ``sum`` where that
    is possible.

    Args:
        url: Of the server, such as ``"https://prometheus:9090"``, with its path prefix if it has one.
        requests: Counts answered requests.
        errors: Counts those of them that failed. It must find something as soon as there are
            requests: end it with ``or vector(0)`` where the counter appears with the first error.
        latency: Counts by bucket, with the label ``le``; ``None``: latency is not known.
        latency_unit: Of ``le``: ``s`` or ``ms``.
        token: Sent as a bearer token; resolved whenever the source is opened, never recorded.
        ca_file: Absolute path of the certificates to trust; ``None``: those of the system.
        timeout_ms: For one answer to all queries.

    Raises:
        InvalidInput: If a query has no place for the revision, or the URL cannot be asked.

    Example:
        >>> source = PrometheusSource(
        ...     "http://127.0.0.1:9090",
        ...     requests='http_requests_total{revision="{revision}"}',
        ...     errors='http_requests_total{revision="{revision}",code=~"5.."} or vector(0)',
        ... )
    """

    __pydantic_config__ = STRICT

    url: str
    _: KW_ONLY
    requests: str
    errors: str
    latency: str | None = None
    latency_unit: Literal["s", "ms"] = "s"
    token: SecretRef | None = None
    ca_file: str | None = None
    timeout_ms: int = 5_000
    kind: Literal["prometheus"] = "prometheus"

    def __post_init__(self) -> None:
        """Prove URL and queries."""
        _check_url(self.url)
        for what, query in (("requests", self.requests), ("errors", self.errors), ("latency", self.latency)):
            if query is None and what == "latency":
                continue
            if not isinstance(query, str) or _PLACE not in query or "\0" in query:
                msg = f"the {what} query must be PromQL with {_PLACE!r} where the revision belongs, not {query!r}"
                raise InvalidInput(msg)
        if self.latency_unit not in {"s", "ms"}:
            msg = f"latency_unit must be 's' or 'ms', not {self.latency_unit!r}"
            raise InvalidInput(msg)
        if self.token is not None and not isinstance(self.token, SecretRef):
            msg = (
                "token must be a SecretRef, such as SecretRef.env('PROMETHEUS_TOKEN'): a plan holds no secret"
            )
            raise InvalidInput(msg)
        if self.ca_file is not None:
            _check.absolute(self.ca_file, "ca_file")
        _check.whole(self.timeout_ms, "timeout_ms", low=10)


def _check_url(url: str) -> None:
    """Refuse what cannot be asked, and secrets that would be recorded with the plan.

    Raises:
        InvalidInput: If so. The URL is not shown where it may hold a password.
    """
    wanted = "give the server's address, such as 'https://prometheus:9090'"
    if not isinstance(url, str) or any(c in url for c in "\r\n \0"):
        msg = f"url {url!r} cannot be asked: {wanted}"
        raise InvalidInput(msg)
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        msg = f"url {url!r} cannot be asked ({error}): {wanted}"
        raise InvalidInput(msg) from None
    if "@" in parts.netloc:
        msg = "url must hold no user and password, which would be recorded with the plan: give token=SecretRef.env(...)"
        raise InvalidInput(msg)
    if parts.scheme not in {"http", "https"} or not named or parts.query or parts.fragment:
        msg = f"url {url!r} cannot be asked: {wanted}"
        raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class BoundSource:
    """A source that the deploying program gives by name: ``Deployer(sources={name: source})``.

    Only the name and a hash of its configuration are recorded. Going forward needs the
    source; going back never does.

    Args:
        name: The key in ``sources``.
        configuration: Hash of what configures it; filled in when a plan is made.
    """

    __pydantic_config__ = STRICT

    name: str
    _: KW_ONLY
    configuration: str = ""
    kind: Literal["bound"] = "bound"

    def __post_init__(self) -> None:
        """Prove that there is a name."""
        if not isinstance(self.name, str) or not self.name:
            msg = f"a BoundSource needs the name under which the Deployer was given it, not {self.name!r}"
            raise InvalidInput(msg)


Source: TypeAlias = Annotated[RouterSource | PrometheusSource | BoundSource, Tagged()]
"""Any source that a plan can carry."""

"""A check that asks paths over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check import _http_parts
from fairdeploy.model.check._http_parts import Scalar
from fairdeploy.model.check.scope import Scope, prove_scope
from fairdeploy.model.secret import SecretRef

__all__ = ["HTTPCheck"]

_ENDS = 2
_MOST_REDIRECTS = 20
_LONGEST_LIFE = 3_650


@final
@dataclass(frozen=True, slots=True, init=False)
class HTTPCheck:
    """Every path answers as wanted.

    Args:
        paths: Paths on each instance's own address, such as ``"/health"``; or, with scope
            ``shared``, whole URLs.
        status: Accepted statuses, first and last. Default 200 to 399.
        contains: Text that the body must hold; ``None``: any body.
        lacks: Text that the body must not hold, such as ``"error"``: some say 200 to everything.
        json: Values that the body must hold, by JSON Pointer (RFC 6901): ``{"/status": "ok"}``.
        headers: Headers that the answer must have, with a text that each must hold, in any case of letters.
        send: Headers to send. Those that carry credentials (``apikey``, ``cookie``, ...) are
            given as `SecretRef`.
        bearer: A token to send as ``Authorization: Bearer``.
        redirects: How many to follow, 0 to 20, on the same scheme, host and port only: one that
            leads elsewhere fails. Default 0: a redirect is an answer, judged by its own status.
        certificate_days: Days for which the server's certificate must still be valid; ``None``:
            as long as it is valid. For URLs with ``https``.
        verify: Whether certificates are verified: by certifi's list, as httpx does, or by the
            certificates in a file (absolute path).
        timeout_ms: For each path, redirects included. Default 5 s.
        scope: See `Scope`.

    Raises:
        InvalidInput: If there is no path, a path does not fit the scope, or a value is out of range.

    Example:
        >>> HTTPCheck("/health", "/api/v1/samples").paths
        ('/health', '/api/v1/samples')
    """

    __pydantic_config__ = STRICT

    paths: tuple[str, ...]
    status: tuple[int, int]
    contains: str | None
    timeout_ms: int
    scope: Scope
    kind: Literal["http"]
    # With defaults, so that plans of before they were there can be read. A mapping has no hash.
    lacks: str | None = None
    json: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    send: Mapping[str, str | SecretRef] = field(default_factory=dict, hash=False)
    bearer: SecretRef | None = None
    redirects: int = 0
    certificate_days: int | None = None
    verify: bool | str = True

    def __init__(
        self,
        *paths: str | tuple[str, ...],
        status: tuple[int, int] = (200, 399),
        contains: str | None = None,
        lacks: str | None = None,
        json: Mapping[str, Scalar] | None = None,
        headers: Mapping[str, str] | None = None,
        send: Mapping[str, str | SecretRef] | None = None,
        bearer: SecretRef | None = None,
        redirects: int = 0,
        certificate_days: int | None = None,
        verify: bool | str = True,
        timeout_ms: int = 5_000,
        scope: Scope = "revision",
        kind: Literal["http"] = "http",
    ) -> None:
        """Take the paths as arguments, so that a check reads as a sentence."""
        flat = tuple(p for path in paths for p in (path if isinstance(path, (tuple, list)) else (path,)))
        for name, value in (
            ("paths", flat),
            ("status", status),
            ("contains", contains),
            ("lacks", lacks),
            ("json", {} if json is None else json),
            ("headers", {} if headers is None else headers),
            ("send", {} if send is None else send),
            ("bearer", bearer),
            ("redirects", redirects),
            ("certificate_days", certificate_days),
            ("verify", verify),
            ("timeout_ms", timeout_ms),
            ("scope", scope),
            ("kind", kind),
        ):
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Prove paths, numbers and conditions."""
        if not self.paths:
            raise InvalidInput("an HTTPCheck needs a path: HTTPCheck('/health')")
        prove_scope(self.scope)
        for path in self.paths:
            self._prove_path(path)
        if not isinstance(self.status, tuple) or len(self.status) != _ENDS:
            raise InvalidInput(
                f"status must be the first and the last that pass, such as (200, 399), not {self.status!r}"
            )
        low, high = self.status
        _check.whole(low, "lowest status", low=100, high=599)
        _check.whole(high, "highest status", low=low, high=599)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)
        _check.whole(self.redirects, "redirects", low=0, high=_MOST_REDIRECTS)
        object.__setattr__(self, "json", _http_parts.conditions(self.json))
        object.__setattr__(self, "headers", _http_parts.headers(self.headers, "headers", secrets=False))
        object.__setattr__(self, "send", _http_parts.headers(self.send, "send", secrets=True))
        _http_parts.secret(self.bearer, "bearer")
        _http_parts.trust(self.verify)
        self._prove_certificate()

    def _prove_path(self, path: object) -> None:
        if not isinstance(path, str):
            raise InvalidInput(f"HTTPCheck cannot ask {path!r}: give a path such as '/health'")
        wanted = f"HTTPCheck of scope {self.scope!r} cannot ask {path!r}: give "
        whole = path.startswith(("http://", "https://"))
        if self.scope == "shared":
            if not whole:
                raise InvalidInput(f"{wanted}a URL such as 'https://db/health'")
            _http_parts.url(path, "HTTPCheck's URL", "https://db/health")
        elif whole or path[:1] != "/" or any(c in path for c in "\r\n \0"):
            raise InvalidInput(f"{wanted}a path such as '/health'")

    def _prove_certificate(self) -> None:
        if self.certificate_days is None:
            return
        _check.whole(self.certificate_days, "certificate_days", low=0, high=_LONGEST_LIFE)
        if not self.verify:
            raise InvalidInput(
                "certificate_days needs a certificate that is verified: leave out verify=False"
            )
        plain = [path for path in self.paths if not path.startswith("https://")]
        if plain:
            raise InvalidInput(
                f"certificate_days cannot be asked of {plain[0]!r}: give a URL that begins with https://"
            )

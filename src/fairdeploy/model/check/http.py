"""A check that asks paths over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check.scope import Scope, prove_scope

__all__ = ["HTTPCheck"]

_ENDS = 2


@final
@dataclass(frozen=True, slots=True, init=False)
class HTTPCheck:
    """Every path answers with a wanted status.

    Args:
        paths: Paths on each instance's own address, such as ``"/health"``; or, with scope
            ``shared``, whole URLs.
        status: Accepted statuses, first and last. Default 200 to 399.
        contains: Text that the body must hold; ``None``: any body.
        timeout_ms: For each request.
        scope: See `Scope`.

    Raises:
        InvalidInput: If there is no path, or a path does not fit the scope.

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

    def __init__(
        self,
        *paths: str | tuple[str, ...],
        status: tuple[int, int] = (200, 399),
        contains: str | None = None,
        timeout_ms: int = 5_000,
        scope: Scope = "revision",
        kind: Literal["http"] = "http",
    ) -> None:
        """Take the paths as arguments, so that a check reads as a sentence."""
        flat = tuple(p for path in paths for p in (path if isinstance(path, (tuple, list)) else (path,)))
        for field, value in (
            ("paths", flat),
            ("status", status),
            ("contains", contains),
            ("timeout_ms", timeout_ms),
            ("scope", scope),
            ("kind", kind),
        ):
            object.__setattr__(self, field, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Prove paths and numbers."""
        if not self.paths:
            msg = "an HTTPCheck needs a path: HTTPCheck('/health')"
            raise InvalidInput(msg)
        prove_scope(self.scope)
        for path in self.paths:
            if not isinstance(path, str):
                msg = f"HTTPCheck cannot ask {path!r}: give a path such as '/health'"
                raise InvalidInput(msg)
            whole = urlsplit(path).scheme in {"http", "https"}
            if (
                any(c in path for c in "\r\n \0")
                or (self.scope == "shared") != whole
                or not (whole or path[:1] == "/")
            ):
                wanted = (
                    "a URL such as 'https://db/health'"
                    if self.scope == "shared"
                    else "a path such as '/health'"
                )
                msg = f"HTTPCheck of scope {self.scope!r} cannot ask {path!r}: give {wanted}"
                raise InvalidInput(msg)
        if not isinstance(self.status, tuple) or len(self.status) != _ENDS:
            msg = f"status must be the first and the last that pass, such as (200, 399), not {self.status!r}"
            raise InvalidInput(msg)
        low, high = self.status
        _check.whole(low, "lowest status", low=100, high=599)
        _check.whole(high, "highest status", low=low, high=599)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)

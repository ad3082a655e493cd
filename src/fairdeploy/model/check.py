"""Checks as data: they travel inside a plan, and whoever recovers it can run them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal, TypeAlias, final, get_args
from urllib.parse import urlsplit

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT, Tagged

__all__ = ["BoundCheck", "Check", "CommandCheck", "ErrorRate", "HTTPCheck", "Latency", "Scope", "TCPCheck"]

Scope: TypeAlias = Literal["revision", "shared"]
"""``revision``: asked of each instance of the candidate, and can convict it. ``shared``:
something that all revisions use (a database); its failure holds a rollout, but is no
reason to go back."""


_ENDS = 2


def _check_scope(scope: str) -> None:
    if scope not in get_args(Scope):
        msg = f"scope must be one of {list(get_args(Scope))!r}, not {scope!r}"
        raise InvalidInput(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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
        _check_scope(self.scope)
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


@final
@dataclass(frozen=True, slots=True)
class TCPCheck:
    """A connection is accepted.

    Args:
        address: ``host:port`` for scope ``shared``; ``None``: each instance's own address.
        timeout_ms: For the connection.
        scope: See `Scope`.

    Raises:
        InvalidInput: If address and scope do not fit.
    """

    __pydantic_config__ = STRICT

    address: str | None = None
    _: KW_ONLY
    timeout_ms: int = 5_000
    scope: Scope = "revision"
    kind: Literal["tcp"] = "tcp"

    def __post_init__(self) -> None:
        """Prove that the address fits the scope."""
        _check_scope(self.scope)
        if (self.address is None) != (self.scope == "revision"):
            msg = f"TCPCheck of scope {self.scope!r} with address {self.address!r}: an address goes with scope='shared'"
            raise InvalidInput(msg)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)


@final
@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A command exits with 0. ``{address}`` in it is the instance's address (scope ``revision``).

    Args:
        command: Argument vector, never given to a shell.
        timeout_ms: After which it is killed and counts as failed.
        scope: See `Scope`.

    Raises:
        InvalidInput: If the command is empty.
    """

    __pydantic_config__ = STRICT

    command: tuple[str, ...] | list[str]
    _: KW_ONLY
    timeout_ms: int = 30_000
    scope: Scope = "revision"
    kind: Literal["command"] = "command"

    def __post_init__(self) -> None:
        """Prove the argument vector."""
        _check_scope(self.scope)
        object.__setattr__(self, "command", _check.strings(self.command, "check command"))
        if not self.command:
            msg = "a CommandCheck needs a command: CommandCheck(['./smoke', '{address}'])"
            raise InvalidInput(msg)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)


@final
@dataclass(frozen=True, slots=True)
class BoundCheck:
    """A callable that the deploying program gives by name: ``Deployer(checks={name: callable})``.

    Only the name and a hash of its configuration are recorded. Going forward needs the
    callable; going back never does.

    Args:
        name: The key in ``checks``.
        configuration: Hash of whatever configures the callable, as the program states it.
        scope: See `Scope`.
    """

    __pydantic_config__ = STRICT

    name: str
    _: KW_ONLY
    configuration: str = ""
    scope: Scope = "revision"
    kind: Literal["bound"] = "bound"


def _check_data(requests: int, window: int | None) -> None:
    _check.whole(requests, "min_requests", low=1)
    if window is not None:
        _check.whole(window, "window_ms", low=100)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """The revision's share of answers with status 500 or more, as the router counts them.

    Counting begins anew with every change of the split, so that a burst at one weight is
    not thinned out by the traffic of another.

    Args:
        max_percent: Highest share that passes, 0 to 100. Default 1 (Flagger's default asks
            for 99 % successes).
        min_requests: Below this many requests the verdict is ``no_data``.
        window_ms: Look at the last so many milliseconds; ``None``: all since the split changed.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    max_percent: float = 1.0
    min_requests: int = 100
    window_ms: int | None = None
    kind: Literal["error_rate"] = "error_rate"

    def __post_init__(self) -> None:
        """Prove the range; a whole percent is stored as a float, so that hashes agree."""
        if not _is_number(self.max_percent) or not 0 <= self.max_percent < 100:
            msg = f"max_percent must be from 0 to below 100, not {self.max_percent!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "max_percent", float(self.max_percent))
        _check_data(self.min_requests, self.window_ms)

    @property
    def scope(self) -> Scope:
        """Always about one revision."""
        return "revision"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A percentile of the time to the complete answer, as the router measures it.

    Args:
        max_ms: Highest value that passes. Compared with the router's own bucket bounds: the
            percentile is known only up to the next bound, and the bound is what is compared.
        percentile: 0 < p < 100. Default 99 (as in Flagger).
        min_requests: Below this many requests the verdict is ``no_data``.
        window_ms: Look at the last so many milliseconds; ``None``: all since the split changed.

    Raises:
        InvalidInput: If a value is out of range.
    """

    __pydantic_config__ = STRICT

    max_ms: int = 500
    percentile: float = 99.0
    min_requests: int = 100
    window_ms: int | None = None
    kind: Literal["latency"] = "latency"

    def __post_init__(self) -> None:
        """Prove the range."""
        _check.whole(self.max_ms, "max_ms", low=1)
        if not _is_number(self.percentile) or not 0 < self.percentile < 100:
            msg = f"percentile must be between 0 and 100, not {self.percentile!r}"
            raise InvalidInput(msg)
        object.__setattr__(self, "percentile", float(self.percentile))
        _check_data(self.min_requests, self.window_ms)

    @property
    def scope(self) -> Scope:
        """Always about one revision."""
        return "revision"


Check: TypeAlias = Annotated[HTTPCheck | TCPCheck | CommandCheck | BoundCheck | ErrorRate | Latency, Tagged()]
"""Any check that a plan can carry."""

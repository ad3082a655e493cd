"""What a load consists of: kinds of traffic with weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Get",
    "Post",
    "Traffic",
    "WebSocket",
    "keep_alive",
    "new_connection",
    "post",
    "read_mix",
    "slow",
    "standard_mix",
    "to_json",
    "websocket",
]

_MAX_BODY = 8 * 1024 * 1024


def _check(path: str, kind: str, weight: float, timeout: float) -> None:
    if not path.startswith("/") or not (path.isascii() and path.isprintable()) or " " in path or "#" in path:
        msg = f"{path!r} is no path: expected one that starts with '/', percent-encoded where it is not plain ASCII"
        raise InvalidInput(msg)
    if not kind:
        msg = "a traffic kind must have a name; it labels the figures in the report"
        raise InvalidInput(msg)
    if not weight > 0:
        msg = (
            f"weight {weight!r} of traffic {kind!r}: expected a number above 0; leave the traffic out instead"
        )
        raise InvalidInput(msg)
    if not timeout > 0:
        msg = f"timeout {timeout!r} of traffic {kind!r}: expected seconds above 0"
        raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class Get:
    """A GET whose body is read to its end."""

    path: str = "/"
    kind: str = "keep_alive"
    """The label in the report."""
    weight: float = 1.0
    """The share among the mix, relative to the other weights."""
    fresh: bool = False
    """Whether each request opens its own connection and asks to close it."""
    session: bool = False
    """Whether to behave as one of a few visitors who keep their cookies."""
    timeout: float = 10.0
    """Seconds for the whole request, connecting included."""

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self.path, self.kind, self.weight, self.timeout)


@final
@dataclass(frozen=True, slots=True)
class Post:
    """A POST whose answer must be the body that was sent."""

    path: str = "/echo"
    kind: str = "post"
    weight: float = 1.0
    size: int = 1024
    """Bytes of the body, 32 to 8 MiB; each body is different."""
    session: bool = False
    timeout: float = 10.0

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self.path, self.kind, self.weight, self.timeout)
        if not 32 <= self.size <= _MAX_BODY:
            msg = f"size {self.size!r} of traffic {self.kind!r}: expected 32 to {_MAX_BODY} bytes"
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True)
class WebSocket:
    """A websocket session: some messages, each echoed, then a closing handshake. The session counts as one request."""

    path: str = "/ws"
    kind: str = "websocket"
    weight: float = 1.0
    messages: int = 5
    """Messages in a session, at least 1."""
    every: float = 0.2
    """Seconds between two messages."""
    session: bool = False
    timeout: float = 10.0
    """Seconds for the opening handshake, for each echo, and for the closing handshake."""

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self.path, self.kind, self.weight, self.timeout)
        if self.messages < 1 or self.every < 0:
            msg = f"traffic {self.kind!r} has {self.messages!r} messages every {self.every!r} s: expected at least 1, every 0 s or more"
            raise InvalidInput(msg)


Traffic: TypeAlias = Get | Post | WebSocket


def keep_alive(
    path: str = "/", *, weight: float = 1.0, session: bool = False, timeout: float = 10.0
) -> Traffic:
    """GET over a pool of persistent connections."""
    return Get(path, "keep_alive", weight=weight, session=session, timeout=timeout)


def new_connection(
    path: str = "/", *, weight: float = 1.0, session: bool = False, timeout: float = 10.0
) -> Traffic:
    """GET over a connection of its own, which asks to be closed."""
    return Get(path, "new_connection", weight=weight, fresh=True, session=session, timeout=timeout)


def slow(path: str = "/slow?seconds=5", *, weight: float = 1.0, timeout: float = 30.0) -> Traffic:
    """GET of a response that takes its time, over persistent connections."""
    return Get(path, "slow", weight=weight, timeout=timeout)


def post(path: str = "/echo", *, weight: float = 1.0, size: int = 1024, timeout: float = 10.0) -> Traffic:
    """POST of a body that must come back unchanged."""
    return Post(path, weight=weight, size=size, timeout=timeout)


def websocket(
    path: str = "/ws",
    *,
    weight: float = 1.0,
    messages: int = 5,
    every: float = 0.2,
    session: bool = False,
    timeout: float = 10.0,
) -> Traffic:
    """A websocket session of several echoed messages."""
    return WebSocket(path, weight=weight, messages=messages, every=every, session=session, timeout=timeout)


def standard_mix() -> tuple[Traffic, ...]:
    """Return all kinds at once, for an application such as `fairdeploy.testing.apps.polite`.

    Of 100 requests about 64 use persistent connections, 20 new ones, 14 post a body, 1 is slow (5 s), 1 is a websocket.
    """
    return (
        keep_alive(weight=64),
        new_connection(weight=20),
        post(weight=14),
        slow(weight=1),
        websocket(weight=1),
    )


_KINDS: dict[str, type[Get | Post | WebSocket]] = {
    "get": Get,
    "post": Post,
    "websocket": WebSocket,
}
_SHORT: dict[str, Callable[..., Traffic]] = {
    "keep_alive": keep_alive,
    "new_connection": new_connection,
    "slow": slow,
    "post": post,
    "websocket": websocket,
}


def to_json(mix: Sequence[Traffic]) -> list[dict[str, object]]:
    """Return a mix as a list that `json.dumps` takes."""
    names = {kind: name for name, kind in _KINDS.items()}
    return [{"type": names[type(traffic)], **asdict(traffic)} for traffic in mix]


def read_mix(text: str) -> tuple[Traffic, ...]:
    """Read a mix: the JSON of `to_json`, or weights such as `keep_alive=6,post=1` of the five usual kinds.

    Raises:
        InvalidInput: It is neither.
    """
    if not text.lstrip().startswith("["):
        return tuple(_usual(item) for item in text.split(","))
    try:
        return tuple(_KINDS[item.pop("type")](**item) for item in json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        msg = f"{text!r} is no mix: expected a JSON list of objects with a type of {sorted(_KINDS)} and its fields ({exc})"
        raise InvalidInput(msg) from exc


def _usual(item: str) -> Traffic:
    name, _, weight = item.strip().partition("=")
    try:
        return _SHORT[name](weight=float(weight or 1))
    except (KeyError, ValueError) as exc:
        msg = f"{item!r} is no share of a mix: expected NAME=WEIGHT with a name of {sorted(_SHORT)}"
        raise InvalidInput(msg) from exc

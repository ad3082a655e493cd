"""How a request can end: answered well, failed by the application, or lost, and then why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias, final

__all__ = ["Answer", "Cause", "Classifier", "Loss", "Verdict", "answered_by_app"]

_SERVER_ERROR = 500
_SAID = 120
"""Bytes of a router's own answer that are kept as the detail of a loss."""
_CLIENT_ERROR = 400
_ROUTER_ERRORS = frozenset({502, 503, 504})


class Cause(StrEnum):
    """Why a request was lost."""

    REFUSED = "refused"
    """Nothing listened on the port."""
    CONNECT_FAILED = "connect_failed"
    """The connection could not be opened for another reason (reset while connecting, unreachable, TLS)."""
    RESET_BEFORE_RESPONSE = "reset_before_response"
    """The request was written, then the connection was reset or closed without a byte of an answer."""
    TRUNCATED = "truncated"
    """The answer began and the connection ended before its last byte."""
    TIMEOUT = "timeout"
    """No complete answer within the time that the traffic allows."""
    BAD_GATEWAY = "bad_gateway"
    """The router answered 502, 503 or 504 in the application's place."""
    ROUTER_ANSWER = "router_answer"
    """The router refused the request itself with a 4xx (no route, too large, ...)."""
    BAD_RESPONSE = "bad_response"
    """What came back is not HTTP."""
    WRONG_BODY = "wrong_body"
    """The echo differs from what was sent."""
    WEBSOCKET_DROPPED = "websocket_dropped"
    """The session ended without a closing handshake, or with a message unanswered."""
    UNFINISHED = "unfinished"
    """Still unanswered when the generator had to stop."""


@final
@dataclass(frozen=True, slots=True)
class Loss:
    """A request that got no valid answer: the cause, and what was seen."""

    cause: Cause
    detail: str = ""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """One complete HTTP response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name; repeated headers are joined by a comma, except for cookies."""
    body: bytes = b""
    """The body; of a long one its first 8 MiB."""
    cookies: tuple[str, ...] = ()
    """The values of all Set-Cookie headers."""
    reusable: bool = False
    """Whether the server lets the connection be used again."""


Verdict: TypeAlias = Loss | Literal["ok", "app_error"]
"""What an answer means. `ok` and `app_error` came from the application; a `Loss` did not."""

Classifier: TypeAlias = Callable[[Answer], Verdict]
"""Decides what an answer means."""


def answered_by_app(marker: str = "x-revision") -> Classifier:
    """Return a classifier that knows the application's answers by a response header.

    A 502, 503, 504 or any 4xx without the header came from the router: lost. Every other status from 500 up is an error of
    the application, and the rest is well.

    Args:
        marker: A header that the application (or a router on answers of the application only, such as Envoy's
            `x-envoy-upstream-service-time`) sets, and that the router's own answers lack.
    """
    name = marker.lower()

    def classify(answer: Answer) -> Verdict:
        status = answer.status
        if status < _CLIENT_ERROR:
            return "ok"
        if name not in answer.headers:
            if status in _ROUTER_ERRORS:
                return Loss(Cause.BAD_GATEWAY, _said(answer, marker))
            if status < _SERVER_ERROR:
                return Loss(Cause.ROUTER_ANSWER, _said(answer, marker))
        return "app_error" if status >= _SERVER_ERROR else "ok"

    return classify


def _said(answer: Answer, marker: str) -> str:
    """Return what a router's answer says of itself: its body names the cause, as a rule."""
    body = answer.body[:_SAID].decode(errors="replace").strip()
    return f"{answer.status} without {marker!r}" + (f": {body}" if body else "")

"""What a throw-away instance did when it was told to stop, and what that means."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast, final

from fairdeploy.model import Aspect, Finding, Severity

if TYPE_CHECKING:
    from fairdeploy.model.canonical import JSON

__all__ = ["Idle", "Stop", "idle", "stop"]

_KILLED = frozenset({-9, 137})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """How long an instance keeps a connection that nobody uses.

    Args:
        router_ms: How long the router keeps one.
        closed_ms: After how long the instance closed it; ``None``: not while it was watched.
        watched_ms: How long it was watched.
    """

    router_ms: int
    closed_ms: int | None
    watched_ms: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What happened from the stop signal on.

    Args:
        signal: Which one.
        grace_ms: Time from it to SIGKILL.
        in_flight: Requests under way when it was sent.
        answered: How many of them got their whole answer.
        later: Requests sent afterwards on connections from before.
        later_lost: How many of them got no whole answer: the connection was closed in the face of the client.
        announced: Answers after the signal that said ``Connection: close``.
        silent: Connections that were closed without having said so, while idle.
        accepted: New connections after the signal that were served.
        refused_ms: After how long new connections were first refused; ``None``: never.
        exited_ms: After how long it had ended; ``None``: it had to be killed.
        exit_code: Its status, negative for a signal; ``None``: unknown.
    """

    signal: str
    grace_ms: int
    in_flight: int
    answered: int
    later: int = 0
    later_lost: int = 0
    announced: int = 0
    silent: int = 0
    accepted: int = 0
    refused_ms: int | None = None
    exited_ms: int | None = None
    exit_code: int | None = None


def idle(seen: Idle) -> Finding:
    """Judge how long idle connections are kept: the router must be the one that closes them.

    Else a request can meet a connection that the instance is just closing (RFC 9112, section 9.5).
    """
    short = seen.closed_ms is not None and seen.closed_ms <= seen.router_ms
    kept = f"at least {seen.watched_ms} ms" if seen.closed_ms is None else f"{seen.closed_ms} ms"
    return Finding(
        "keep-alive",
        aspect=Aspect.CAPACITY,
        severity=Severity.WARNING,
        passed=not short,
        message=f"idle connections are kept for {kept}, and by the router for {seen.router_ms} ms"
        + (": requests can meet one that is being closed" if short else ""),
        remedy=f"keep them for more than {seen.router_ms / 1000:g} s (uvicorn: --timeout-keep-alive 5)"
        if short
        else "",
        evidence=cast("JSON", asdict(seen)),
    )


def stop(seen: Stop, *, counted: bool) -> tuple[Finding, ...]:
    """Judge how an instance stops.

    Args:
        seen: What it did.
        counted: Whether requests in flight are counted before an instance is stopped: then it has none left
            when it gets the signal, unless they outlast the drain, and cutting them is a warning. Elsewhere
            every deployment would lose requests, and it is critical.
    """
    severity = Severity.WARNING if counted else Severity.CRITICAL
    return _requests(seen, severity), _connections(seen), _exit(seen)


def _requests(seen: Stop, severity: Severity) -> Finding:
    cut = seen.in_flight - seen.answered
    return Finding(
        "drain: requests",
        aspect=Aspect.CAPACITY,
        severity=severity,
        passed=cut == 0,
        message=f"{seen.answered} of {seen.in_flight} requests in flight at {seen.signal} were answered"
        + (f", {cut} were cut" if cut else ""),
        remedy=f"finish what has begun before exiting on {seen.signal}: use the server's graceful shutdown "
        "(uvicorn and gunicorn: let them handle the signal), and start it with exec, not in a shell"
        if cut
        else "",
        evidence=cast("JSON", asdict(seen)),
    )


def _connections(seen: Stop) -> Finding:
    lost = seen.later_lost
    bad = lost > 0
    served = seen.later - lost
    told = (
        f"{seen.announced} answers after {seen.signal} said 'Connection: close'"
        if seen.announced
        else "no answer said 'Connection: close'"
    )
    new = (
        f"new connections were refused after {seen.refused_ms} ms"
        if seen.refused_ms is not None
        else f"{seen.accepted} new connections were served"
    )
    return Finding(
        "drain: connections",
        aspect=Aspect.CAPACITY,
        severity=Severity.WARNING,
        passed=not bad,
        message=f"{served} of {seen.later} later requests on open connections were answered, "
        f"{seen.silent} idle ones closed unasked; {told}; {new}",
        remedy="answer with 'Connection: close' for a while after the signal, and only then close: behind a "
        "layer-4 service a request is lost otherwise (the router of this package stops sending first)"
        if bad
        else "",
    )


def _exit(seen: Stop) -> Finding:
    late = seen.exited_ms is None
    killed = late or seen.exit_code in _KILLED
    after = f"still ran {seen.grace_ms} ms after {seen.signal}, and was killed"
    return Finding(
        "drain: exit",
        aspect=Aspect.CAPACITY,
        severity=Severity.WARNING,
        passed=not killed,
        message=after
        if late
        else f"it ended {seen.exited_ms} ms after {seen.signal} (of {seen.grace_ms} ms), {_code(seen.exit_code)}",
        remedy=f"handle {seen.signal} and exit within stop_grace_ms={seen.grace_ms}: a program behind a shell never "
        "sees it (use exec), and a longer grace needs a higher stop_grace_ms"
        if killed
        else "",
    )


def _code(code: int | None) -> str:
    if code is None:
        return "its status is unknown"
    return f"by signal {-code}" if code < 0 else f"with status {code}"

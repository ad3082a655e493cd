"""What else can be looked at: whatever can be asked, the database's schema, somebody else's clock."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import anyio

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Aspect, CommandCheck, Finding, HTTPCheck, Severity, TCPCheck, Verdict
from fairdeploy.protocols import Subject, Validation

if TYPE_CHECKING:
    from datetime import datetime

    from fairdeploy.protocols import HealthCheck, Scene

__all__ = ["clock", "reachable", "schema_version"]

_Question: TypeAlias = "HTTPCheck | TCPCheck | CommandCheck | HealthCheck"

_DATA = (HTTPCheck, TCPCheck, CommandCheck)
_DEADLINE = 15.0
_SKEW = 5.0
"""Seconds: a third of a lease's default time to live."""


def reachable(
    name: str,
    check: _Question,
    *,
    aspect: Aspect = Aspect.DEPENDENCIES,
    severity: Severity = Severity.CRITICAL,
) -> Validation:
    """Return a validation that asks a service which the release stands on.

    Args:
        name: Of the service, such as ``"database"``.
        check: An `HTTPCheck`, `TCPCheck` or `CommandCheck` of scope ``shared``, or any async callable that takes
            a `Subject` and returns a `CheckResult`.
        aspect: `Aspect.DATABASE` for the database.
        severity: What it means if it does not answer well.

    Raises:
        InvalidInput: If the check asks instances, of which there are none yet.

    Example:
        >>> reachable("database", TCPCheck("127.0.0.1:5432", scope="shared"), aspect=Aspect.DATABASE).name
        'database'
    """
    if isinstance(check, _DATA) and check.scope != "shared":
        msg = f"{name!r} asks instances, and there are none yet: give the check scope='shared'"
        raise InvalidInput(msg)
    if not isinstance(check, _DATA) and not callable(check):
        msg = f"{name!r} must be asked by a check or an async callable, not by {check!r}"
        raise InvalidInput(msg)

    async def look(scene: Scene) -> Sequence[Finding]:
        subject = Subject(target=scene.target)
        said, verdict, message = False, Verdict.ERROR, f"no answer within {_DEADLINE:g} s"
        with anyio.move_on_after(_DEADLINE):
            if isinstance(check, _DATA):
                from fairdeploy.health import run_check  # noqa: PLC0415 -- its library is loaded where it is asked

                result = await run_check(check, subject)
            else:
                result = await check(subject)
            said, verdict, message = result.healthy, result.verdict, result.message
        return (
            Finding(
                name,
                aspect=aspect,
                severity=severity,
                passed=said,
                message=f"{name!r}: {verdict}" + (f": {message}" if message else ""),
                remedy="" if said else f"bring {name!r} up, or mend how it is asked",
            ),
        )

    return Validation(name, aspect=aspect, look=look, deadline=_DEADLINE + 5)


def schema_version(
    read: Callable[[], Awaitable[str | int | None]], expected: str | int | Callable[[str], bool]
) -> Validation:
    """Return a validation that compares the database's schema with what the release needs.

    Args:
        read: Returns the version that the database says it has; ``None``: it has none yet.
        expected: The version, or a function that says whether one fits (at least so new, say).

    Raises:
        InvalidInput: If ``read`` cannot be called.
    """
    if not callable(read):
        msg = f"schema_version needs an async function that reads the version, not {read!r}"
        raise InvalidInput(msg)

    async def look(_: Scene) -> Sequence[Finding]:
        found = await read()
        fits = found is not None and (
            bool(expected(str(found))) if callable(expected) else str(found) == str(expected)
        )
        wanted = inspect.getdoc(expected) or "another" if callable(expected) else repr(str(expected))
        has = "none" if found is None else repr(str(found))
        return (
            Finding(
                "schema",
                aspect=Aspect.DATABASE,
                severity=Severity.CRITICAL,
                passed=fits,
                message=f"the schema's version is {has}"
                + ("" if fits else f", and the release needs {wanted}"),
                remedy="" if fits else "migrate the database first, or deploy the release that fits it",
            ),
        )

    return Validation("schema", aspect=Aspect.DATABASE, look=look)


def clock(
    source: str | Callable[[], Awaitable[datetime | float]], *, tolerance: float = _SKEW, name: str = "clock"
) -> Validation:
    """Return a validation that compares this machine's clock with another one.

    Args:
        source: A URL whose answer has a ``Date`` header (RFC 9110, section 6.6.1), or an async function that
            returns the time of, say, the database: aware of its time zone, or in seconds since 1970.
        tolerance: Seconds by which they may differ, beyond the time that asking took (and, for a header, its
            whole seconds).
        name: Of the validation.

    Raises:
        InvalidInput: If the source is neither, or the tolerance is not positive.
    """
    if isinstance(tolerance, bool) or not tolerance > 0:
        msg = f"tolerance must be a positive number of seconds, not {tolerance!r}"
        raise InvalidInput(msg)
    if not callable(source) and not str(source).startswith(("http://", "https://")):
        msg = f"a clock is asked at a URL or by an async function, not by {source!r}"
        raise InvalidInput(msg)

    async def look(_: Scene) -> Sequence[Finding]:
        before = time.time()
        if isinstance(source, str):
            from fairdeploy.preflight._date import http_date  # noqa: PLC0415 -- with its library

            told: datetime | float = await http_date(source, _DEADLINE)
        else:
            told = await source()
        after = time.time()
        grain = 1.0 if isinstance(source, str) else 0.0
        there = told if isinstance(told, (int, float)) else told.timestamp()
        # It was read some time between the two looks, and a header tells whole seconds only.
        skew = max(0.0, before - (there + grain), there - after)
        ahead = "behind" if there > after else "ahead"
        fits = skew <= tolerance
        return (
            Finding(
                name,
                aspect=Aspect.DEPENDENCIES,
                severity=Severity.WARNING,
                passed=fits,
                message=f"this machine's clock is {skew:.1f} s {ahead}"
                if skew
                else "this machine's clock agrees with the other one",
                remedy=""
                if fits
                else "keep it by NTP (chrony, systemd-timesyncd): leases and records go by it",
                evidence={"skew_s": round(skew, 3)},
            ),
        )

    return Validation(name, aspect=Aspect.DEPENDENCIES, look=look)

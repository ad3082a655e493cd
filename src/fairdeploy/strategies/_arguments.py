"""What users give to strategies, proved once and kept in one form."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    Action,
    BoundSource,
    Check,
    ErrorComparison,
    ErrorRate,
    HeaderRoute,
    PrometheusSource,
    RouterSource,
    SampleRatio,
    Source,
    Undecided,
    _check,
)
from fairdeploy.model.check import is_counted, is_data

if TYPE_CHECKING:
    from collections.abc import Sequence

Duration: TypeAlias = timedelta | float
"""A ``timedelta``, or a number of seconds."""

BESIDE_STABLE = (
    ErrorComparison(),
    ErrorRate(max_percent=20, min_requests=50, window_ms=30_000),
    SampleRatio(),
)
"""What convicts where old and new serve side by side: the comparison, and in seconds, also where there is
nothing to compare with, a release that is broken. The last one warns that traffic is not split as told."""


_PERCENT = re.compile(r"([0-9]{1,4})%")


class Settings(Protocol):
    """What all strategies can be told."""

    @property
    def verify(self) -> Sequence[Check]: ...
    @property
    def analysis(self) -> Sequence[Check]: ...
    @property
    def keep_warm(self) -> Duration: ...
    @property
    def ready_deadline(self) -> Duration: ...
    @property
    def min_ready(self) -> Duration: ...
    @property
    def every(self) -> Duration: ...
    @property
    def failures(self) -> int: ...
    @property
    def on_no_data(self) -> Action: ...
    @property
    def source(self) -> Source: ...
    @property
    def undecided(self) -> Undecided: ...
    @property
    def on_crash(self) -> Literal["undo", "resume"]: ...


def ms(value: Duration) -> int:
    """Return a duration in milliseconds."""
    return _check.milliseconds(value, "duration")


def duration(value: Duration, what: str, *, low: int = 0) -> timedelta:
    """Return a duration in the one form in which strategies keep it, so that equal ones compare equal."""
    return timedelta(milliseconds=_check.milliseconds(value, what, low=low))


def bound(value: int | str, replicas: int, what: str, *, up: bool) -> int:
    """Return a bound as a number of instances.

    Raises:
        InvalidInput: If it is neither a number nor a percentage.
    """
    if isinstance(value, int):
        return _check.whole(value, what, low=0)
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{what} must be a number of instances or a percentage such as '25%', not {value!r}"
        raise InvalidInput(msg)
    parts = replicas * int(match[1])
    return -(-parts // 100) if up else parts // 100


def checks(value: Sequence[Check], what: str) -> tuple[Check, ...]:
    """Return checks as a tuple.

    Raises:
        InvalidInput: If it is no list of checks.
    """
    if not isinstance(value, (list, tuple)) or not all(map(is_data, value)):
        msg = f"{what} must be a list of checks, such as ({what}=[HTTPCheck('/health')]), not {value!r}"
        raise InvalidInput(msg)
    return tuple(value)


def settle(settings: Settings) -> None:
    """Prove what all strategies can be told, and keep it in one form.

    Raises:
        InvalidInput: If a value is out of range.
    """
    verify = checks(settings.verify, "verify")
    if counted := [check for check in verify if is_counted(check)]:
        msg = f"verify cannot hold {counted!r}: before it has traffic there is nothing to count; give it as analysis="
        raise InvalidInput(msg)
    ready = duration(settings.ready_deadline, "ready_deadline", low=1)
    stay = duration(settings.min_ready, "min_ready")
    if stay >= ready:
        msg = (
            f"min_ready ({stay.total_seconds():g} s) must be shorter than "
            f"ready_deadline ({ready.total_seconds():g} s): nothing could be ready in time"
        )
        raise InvalidInput(msg)
    try:
        on_no_data = Action(settings.on_no_data)
    except ValueError:
        msg = f"on_no_data must be one of {[str(a) for a in Action]!r}, not {settings.on_no_data!r}"
        raise InvalidInput(msg) from None
    _check_source(settings)
    if not isinstance(settings.on_crash, str) or settings.on_crash not in {"undo", "resume"}:
        msg = f"on_crash must be 'undo' or 'resume', not {settings.on_crash!r}"
        raise InvalidInput(msg)
    for name, value in (
        ("verify", verify),
        ("analysis", checks(settings.analysis, "analysis")),
        ("keep_warm", duration(settings.keep_warm, "keep_warm")),
        ("ready_deadline", ready),
        ("min_ready", stay),
        ("every", duration(settings.every, "every", low=10)),
        ("failures", _check.whole(settings.failures, "failures", low=1)),
        ("on_no_data", on_no_data),
    ):
        object.__setattr__(settings, name, value)


def _check_source(settings: Settings) -> None:
    """Refuse what is no source and no policy.

    Raises:
        InvalidInput: If so.
    """
    if not isinstance(settings.source, (RouterSource, PrometheusSource, BoundSource)):
        msg = (
            f"source must be data, such as PrometheusSource(...) or BoundSource('name'), not {settings.source!r}: "
            "give an object of your own to Deployer(sources={'name': ...})"
        )
        raise InvalidInput(msg)
    if not isinstance(settings.undecided, Undecided):
        msg = f"undecided must be a policy, such as Undecided(far=Action.PAUSE), not {settings.undecided!r}"
        raise InvalidInput(msg)


def header(value: tuple[str, str] | None, what: str) -> tuple[str, str] | None:
    """Return a header as name and value, or ``None``.

    Raises:
        InvalidInput: If it is not a pair of texts, or could not be a header.
    """
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or [type(part) for part in value] != [str, str]:
        msg = f"{what} must be a pair of name and value, such as ('x-preview', '1'), not {value!r}"
        raise InvalidInput(msg)
    name, text = value
    HeaderRoute(name, text, "")  # refuses what cannot be sent
    return name, text

"""How simulated instances and visitors behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

__all__ = ["Behaviour", "Demand"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the instances of a revision behave.

    Args:
        start_seconds: Time from start to ready.
        ready: Whether an instance ever becomes ready.
        start_error: Message of the `StartError` that starting raises; ``None``: starting works.
        crash_seconds: Time from ready to a crash; ``None``: no crash by itself.
        restart_seconds: Time from a crash to the keeper's next start; ``None``: never.
        error_share: Share of requests answered with a status of 500 or more, 0 to 1.
        slowness: Factor on the duration of every request.
        job_seconds: Time that a job takes.
        job_codes: Exit code by name of job; a job not named exits with 0.
        last_words: What an instance has written.
    """

    start_seconds: float = 1.0
    ready: bool = True
    start_error: str | None = None
    crash_seconds: float | None = None
    restart_seconds: float | None = 1.0
    error_share: float = 0.0
    slowness: float = 1.0
    job_seconds: float = 1.0
    job_codes: Mapping[str, int] = field(default_factory=dict)
    last_words: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What visitors want, from the first split of a target on.

    Args:
        rate: Requests a second, evenly spaced; 0: no visitors.
        low_ms: Shortest request.
        high_ms: Longest request; durations are spread evenly between the two.
        stream_share: Share of them that are long-lived streams, 0 to 1.
        stream_seconds: How long a stream lasts.
    """

    rate: float = 0.0
    low_ms: float = 20.0
    high_ms: float = 200.0
    stream_share: float = 0.0
    stream_seconds: float = 30.0

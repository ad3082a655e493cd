"""What traffic can tell: which faults a rollout finds, and when, and what a pass takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT

__all__ = ["Detection", "Power", "Stage"]

_WHOLE = 10_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A time with one split.

    Args:
        basis_points: The candidate's share of the traffic, 0 to 10,000.
        duration_ms: How long.

    Raises:
        InvalidInput: If a number is out of range.
    """

    __pydantic_config__ = STRICT

    basis_points: int
    duration_ms: int

    def __post_init__(self) -> None:
        """Prove the ranges."""
        _check.whole(self.basis_points, "basis_points", low=0, high=_WHOLE)
        _check.whole(self.duration_ms, "duration_ms", low=0)

    @property
    def weight(self) -> float:
        """The share as a number from 0 to 1."""
        return self.basis_points / _WHOLE


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One fault, and when it is found.

    Args:
        event: What the candidate does too often: ``"errors"``, or ``"answers slower than p99"``.
        percent: Of its requests.
        odds_ratio: Of candidate to baseline.
        seconds: From the first traffic until it is found, with the probability of `Power`; more
            than the rollout lasts if `found` is false (the stages prolonged alike); ``None`` if it
            takes a thousand times as long, or is tolerated.
        found: Whether that is within the rollout.
    """

    __pydantic_config__ = STRICT

    event: str
    percent: float
    odds_ratio: float
    seconds: float | None
    found: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What a rollout's traffic can and cannot tell.

    Args:
        requests_per_second: Of both revisions together.
        seconds: While both serve.
        requests: Of both, in that time.
        percent: The baseline's rate of the event, where it was given.
        probability: Of finding each of the `detections` by its time; of a pass by its time.
        detections: From the worst fault to the mildest.
        pass_seconds: Until a candidate that is not worse has passed (the stages prolonged alike);
            ``None`` if it takes a thousand times as long.
    """

    __pydantic_config__ = STRICT

    requests_per_second: float
    seconds: float
    requests: int
    percent: float | None = None
    probability: float
    detections: tuple[Detection, ...] = ()
    pass_seconds: float | None = None

    def __post_init__(self) -> None:
        """Prove the rate."""
        if not self.requests_per_second > 0:
            msg = f"requests_per_second must be above 0, not {self.requests_per_second!r}"
            raise InvalidInput(msg)

    @property
    def mildest(self) -> Detection | None:
        """The mildest fault that the rollout finds; ``None`` if it finds none."""
        return next((each for each in reversed(self.detections) if each.found), None)

    @property
    def pass_requests(self) -> int | None:
        """Requests until a pass."""
        return None if self.pass_seconds is None else round(self.pass_seconds * self.requests_per_second)

    @property
    def passes(self) -> bool:
        """Whether a candidate that is not worse can be expected to pass within the rollout."""
        return self.pass_seconds is not None and self.pass_seconds <= self.seconds

    def __str__(self) -> str:
        """Return the answer as a few lines."""
        base = "" if self.percent is None else f" with {self.percent:g} % errors"
        rate = f"{self.requests_per_second:g}/s{base}"
        lines = [f"Both revisions serve {self.requests:,} requests in {_time(self.seconds)} ({rate})."]
        found = [each for each in self.detections if each.found]
        missed = [each for each in self.detections if not each.found]
        chance = f"{100 * self.probability:.0f} %"
        if found:
            lines.append(f"Found with a probability of {chance}: {', '.join(map(_words, found))}.")
        if missed:
            lines.append(f"Not found in time: {', '.join(map(_words, missed))}.")
        if self.pass_seconds is None:
            lines.append("A pass cannot be expected from this traffic.")
        else:
            end = "within the rollout" if self.passes else "longer than the rollout: the end is undecided"
            lines.append(
                f"A pass of an equal candidate takes {self.pass_requests:,} requests, {_time(self.pass_seconds)}: {end}."
            )
        return "\n".join(lines)


def _words(detection: Detection) -> str:
    after = "never" if detection.seconds is None else f"after {_time(detection.seconds)}"
    return f"{detection.percent:.3g} % {detection.event} {after}"


def _time(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"

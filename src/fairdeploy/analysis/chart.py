"""A canary while it runs: the error rates of both revisions with their bounds, and the share of traffic."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import final

from fairdeploy.analysis.rate import percent, rate_bounds
from fairdeploy.errors import InvalidInput

__all__ = ["CanaryChart", "Moment", "Seen"]

_MOST = 400
"""Moments that are kept: a line has no more points than a screen. Every other one goes when there are more."""


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted of a revision since the rollout began.

    Raises:
        InvalidInput: If more failed than were asked.
    """

    requests: int = 0
    errors: int = 0

    def __post_init__(self) -> None:
        """Prove the counts."""
        if not 0 <= self.errors <= self.requests:
            msg = f"errors must be from 0 to the {self.requests!r} requests, not {self.errors!r}"
            raise InvalidInput(msg)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One look.

    Args:
        seconds: Since the rollout began.
        candidate: What was counted of the candidate until then.
        baseline: The same of the baseline.
        percent: The candidate's share of the traffic, 0 to 100.
    """

    seconds: float
    candidate: Seen = Seen()
    baseline: Seen = Seen()
    percent: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class CanaryChart:
    """What was seen until now; in a notebook it shows itself as a picture.

    Args:
        candidate: The new revision.
        baseline: The one that it is compared with; empty before a first deploy.
        moments: The looks, oldest first.
        marks: What happened, with the seconds since the rollout began.
        alpha: Probability that a true rate is ever outside its band. Default 0.05.

    Raises:
        InvalidInput: If looks go back in time.
    """

    candidate: str
    baseline: str = ""
    _: KW_ONLY
    moments: tuple[Moment, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Prove the order, so that lines do not run back."""
        times = [moment.seconds for moment in self.moments]
        if times != sorted(times):
            msg = "moments must be in the order of time: add each with `with_moment`"
            raise InvalidInput(msg)

    def with_moment(self, moment: Moment) -> CanaryChart:
        """Return the chart with one more look."""
        moments = (*self.moments, moment)
        if len(moments) > _MOST:
            moments = (*moments[:-1:2], moment)
        return replace(self, moments=moments)

    def with_mark(self, seconds: float, text: str) -> CanaryChart:
        """Return the chart with something that happened."""
        return replace(self, marks=(*self.marks, (seconds, text)))

    def bounds(self, seen: Seen) -> tuple[float, float]:
        """Return the lowest and highest error rate that are not ruled out, 0 to 1; see `rate_bounds`."""
        return rate_bounds(seen.errors, seen.requests, alpha=self.alpha)

    def __str__(self) -> str:
        """Return the last look in words."""
        last = self.moments[-1] if self.moments else Moment(seconds=0)
        parts = [
            f"{last.seconds:.0f} s: {last.percent:g} % of the traffic",
            self._said(self.candidate, last.candidate),
        ]
        if self.baseline:
            parts.append(self._said(self.baseline, last.baseline))
        return "; ".join(parts)

    def _said(self, revision: str, seen: Seen) -> str:
        if not seen.requests:
            return f"{revision}: no requests yet"
        low, high = self.bounds(seen)
        return (
            f"{revision}: {percent(seen.errors / seen.requests)} errors of {seen.requests} requests "
            f"({percent(low)} to {percent(high)})"
        )

    def svg(self) -> str:
        """Return the picture, to be shown or written to a file."""
        from fairdeploy.analysis._picture import picture  # noqa: PLC0415 - drawn on demand

        return picture(self)

    def _repr_html_(self) -> str:
        # Inside the page, not as an image: so it takes its colours from the notebook's theme.
        return f'<div style="max-width:60em">{self.svg()}</div>'

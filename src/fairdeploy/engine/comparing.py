"""What was counted of both revisions, look by look: for thresholds, and for comparisons over a whole rollout."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, TypeAlias, final

from fairdeploy.analysis import State, add, begin, conclude, difference, judge
from fairdeploy.model import CheckResult, Comparison, Counters, ErrorRate, Latency, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.model import Guard, RevisionId, Split

__all__ = ["Batches", "Counted", "Window", "nearness"]

Counted: TypeAlias = "Mapping[RevisionId, Counters]"
"""What a source told at one look."""

_WORSE = 2.0
"""From so many times the baseline's share of errors on, a fault is not one that both share."""


@final
@dataclass(slots=True)
class Window:
    """A threshold's memory: looks since the split last changed, or within the check's window."""

    check: ErrorRate | Latency
    guard: Guard
    seen: deque[tuple[float, Counted]] = field(default_factory=deque)
    shifts: int = -1

    def look(self, now: float, counted: Counted, shifts: int) -> tuple[CheckResult, bool]:
        """Take a look in; return the verdict, and whether the baseline is as bad as the candidate."""
        candidate = counted.get(self.guard.candidate)
        if candidate is None:
            return _nothing_known(self.guard.candidate), False
        first = self.seen[0][1].get(self.guard.candidate, Counters()) if self.seen else candidate
        if self.shifts != shifts or difference(candidate, first) is None:
            self.shifts = shifts
            self.seen.clear()
        self.seen.append((now, counted))
        self._forget(now)
        result = judge(self.check, self._since(self.guard.candidate, counted))
        if result.verdict is not Verdict.FAIL or self.guard.baseline is None:
            return result, False
        baseline = judge(self.check, self._since(self.guard.baseline, counted))
        if not _as_bad(baseline, result):
            return result, False
        message = f"{result.message}; so is {self.guard.baseline!r}: {baseline.message}"
        return CheckResult(Verdict.INCONCLUSIVE, message, evidence=result.evidence), True

    def _forget(self, now: float) -> None:
        window = self.check.window_ms
        if window is None:
            while len(self.seen) > 2:
                del self.seen[1]
        else:
            while len(self.seen) > 1 and (now - self.seen[1][0]) * 1000 >= window:
                self.seen.popleft()

    def _since(self, revision: RevisionId, counted: Counted) -> Counters:
        now, first = counted.get(revision), self.seen[0][1].get(revision)
        return Counters() if now is None or first is None else difference(now, first) or Counters()


def _as_bad(baseline: CheckResult, candidate: CheckResult) -> bool:
    """Whether the baseline fails as well, and not much less than the candidate."""
    theirs, its = baseline.evidence, candidate.evidence
    if baseline.verdict is not Verdict.FAIL or not isinstance(theirs, dict) or not isinstance(its, dict):
        return False
    percent, own = theirs.get("percent"), its.get("percent")
    if isinstance(percent, (int, float)) and isinstance(own, (int, float)):
        return own < _WORSE * percent
    # Of a latency only the bucket is known; beyond the last one is beyond all.
    bound, mine = theirs.get("bound_ms"), its.get("bound_ms")
    return bound is None or (isinstance(mine, float) and isinstance(bound, float) and mine <= bound)


@final
@dataclass(slots=True)
class Batches:
    """A comparison's memory: the state that all batches came to, and where the next one begins.

    A batch lies between two looks with the same split. Looks while it changes begin or end none.
    """

    check: Comparison
    guard: Guard
    state: State
    last: Counted | None = None
    era: int = -1

    @classmethod
    def of(cls, check: Comparison, guard: Guard, written: str) -> Batches:
        """Begin, or go on from what was journaled.

        Raises:
            InvalidInput: If another version wrote it, or for another check.
        """
        state = State.read(written) if written else begin(check)
        conclude(check, state)  # refuses what is another check's
        return cls(check, guard, state)

    def look(self, counted: Counted, era: int, split: Split | None) -> CheckResult:
        """Take a look in, which was made while the split was in its ``era``; return the verdict."""
        missing = self._missing(counted, split)
        if missing is not None:
            self.last = None
            return _nothing_known(missing)
        last, self.last = self.last, counted
        if last is not None and self.era == era:
            self._take(last, counted, split)
        self.era = era
        return conclude(self.check, self.state)

    def between(self) -> CheckResult:
        """Return the verdict while the split changes: what is counted then is of no batch."""
        self.last = None
        return conclude(self.check, self.state)

    def _missing(self, counted: Counted, split: Split | None) -> RevisionId | None:
        """Return the revision about which nothing is known though it has traffic."""
        both = (self.guard.candidate, self.guard.baseline)
        return next(
            (r for r in both if r is not None and r not in counted and split is not None and split.share(r)),
            None,
        )

    def _take(self, last: Counted, counted: Counted, split: Split | None) -> None:
        if self.guard.baseline is None:
            return
        candidate = _between(last, counted, self.guard.candidate)
        baseline = _between(last, counted, self.guard.baseline)
        if candidate is None or baseline is None:
            # Counting began anew in between: what belongs to this batch is not known.
            return
        self.state = add(self.check, self.state, candidate, baseline, weight=self._weight(split))

    def _weight(self, split: Split | None) -> float:
        if split is None or self.guard.baseline is None:
            return 0.0
        own, other = split.share(self.guard.candidate), split.share(self.guard.baseline)
        return own / (own + other) if own + other else 0.0


def _between(last: Counted, counted: Counted, revision: RevisionId) -> Counters | None:
    if revision not in counted or revision not in last:
        return Counters() if revision not in counted and revision not in last else None
    return difference(counted[revision], last[revision])


def nearness(check: Comparison, result: CheckResult) -> float:
    """Return how far the evidence has come on its way to a conviction, 0 to 1, on its logarithm."""
    evidence = result.evidence.get("e_value") if isinstance(result.evidence, dict) else None
    if not isinstance(evidence, (int, float)) or evidence <= 1:
        return 0.0
    return min(1.0, log(evidence) / -log(check.alpha))


def _nothing_known(revision: RevisionId) -> CheckResult:
    """Return that a source knows nothing of a revision: no data, which is not zero."""
    return CheckResult(Verdict.NO_DATA, f"nothing is counted of {revision!r}")

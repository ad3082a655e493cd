"""The running count of a load: what `LoadReport` is made of."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairdeploy.testing.load._connection import NotStarted
from fairdeploy.testing.load._histogram import Histogram
from fairdeploy.testing.load.outcomes import Answer, Cause, Loss
from fairdeploy.testing.load.report import KindReport, Latency, LostRequest, RevisionReport

if TYPE_CHECKING:
    from fairdeploy.testing.load._client import Done
    from fairdeploy.testing.load.outcomes import Classifier
    from fairdeploy.testing.load.traffic import Traffic

__all__ = ["Recorder"]

_MAX_REVISIONS = 200
_OTHERS = "(others)"


@dataclass(slots=True)
class _Kind:
    requests: int = 0
    ok: int = 0
    app_errors: int = 0
    lost: int = 0
    latency: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class _Revision:
    first_started: float
    last_started: float
    ok: int = 0
    app_errors: int = 0
    lost: int = 0


class Recorder:
    """Counts each request once when it begins and once when it ends; memory is bounded, however long the load runs."""

    def __init__(self, *, classify: Classifier, revision_header: str, max_lost: int) -> None:
        self._classify = classify
        self._revision_header = revision_header
        self._max_lost = max_lost
        self._kinds: dict[str, _Kind] = {}
        self._revisions: dict[str, _Revision] = {}
        self.lost: list[LostRequest] = []
        self.causes: Counter[Cause] = Counter()
        self.statuses: Counter[int] = Counter()
        self.not_started: Counter[str] = Counter()
        self.handshakes: Counter[str] = Counter()
        self.messages = 0
        self.in_flight = 0

    def refuse(self, reason: str) -> None:
        """Count a request that was due and never begun."""
        self.not_started[reason] += 1

    def begin(self, traffic: Traffic) -> None:
        """Count a request that begins; `end` must follow exactly once."""
        kind = self._kinds.get(traffic.kind)
        if kind is None:
            kind = self._kinds[traffic.kind] = _Kind()
        kind.requests += 1
        self.in_flight += 1

    def end(self, traffic: Traffic, due: float, done: Done) -> None:
        """Count how a request ended; `due` is when it should have begun, in monotonic seconds."""
        kind = self._kinds[traffic.kind]
        self.in_flight -= 1
        self.messages += done.messages
        if done.handshake is not None:
            self.handshakes[done.handshake] += 1
        result = done.result
        if isinstance(result, NotStarted):
            kind.requests -= 1
            self.refuse(result.reason)
            return
        now = time.monotonic()
        verdict = result if isinstance(result, Loss) else self._classify(result)
        if isinstance(verdict, Loss):
            kind.lost += 1
            self._lose(traffic, verdict, done, now)
        else:
            kind.latency.record(now - due if done.longest_wait is None else done.longest_wait)
            if verdict == "ok":
                kind.ok += 1
            else:
                kind.app_errors += 1
        answer = done.answer if isinstance(result, Loss) else result
        if answer is not None:
            self.statuses[answer.status] += 1
            self._attribute(answer, done.started, verdict)

    def _lose(self, traffic: Traffic, loss: Loss, done: Done, now: float) -> None:
        self.causes[loss.cause] += 1
        if len(self.lost) < self._max_lost:
            self.lost.append(
                LostRequest(
                    time=now,
                    kind=traffic.kind,
                    path=traffic.path,
                    cause=loss.cause,
                    detail=loss.detail[:200],
                    connection_age=done.age,
                )
            )

    def _attribute(self, answer: Answer, started: float, verdict: object) -> None:
        name = answer.headers.get(self._revision_header)
        if name is None:
            return
        revision = self._revisions.get(name)
        if revision is None:
            if len(self._revisions) >= _MAX_REVISIONS:
                name = _OTHERS
            revision = self._revisions.setdefault(name, _Revision(started, started))
        # Answers arrive in another order than their requests started.
        revision.first_started = min(revision.first_started, started)
        revision.last_started = max(revision.last_started, started)
        if isinstance(verdict, Loss):
            revision.lost += 1
        elif verdict == "ok":
            revision.ok += 1
        else:
            revision.app_errors += 1

    def kinds(self) -> dict[str, KindReport]:
        """Return the figures of each kind of traffic."""
        return {
            name: KindReport(name, kind.requests, kind.ok, kind.app_errors, kind.lost, _latency(kind.latency))
            for name, kind in self._kinds.items()
        }

    def revisions(self) -> dict[str, RevisionReport]:
        """Return the figures of each revision, in the order in which they were first seen."""
        return {
            name: RevisionReport(
                name,
                one.ok + one.app_errors + one.lost,
                one.ok,
                one.app_errors,
                one.lost,
                one.first_started,
                one.last_started,
            )
            for name, one in self._revisions.items()
        }


def _latency(histogram: Histogram) -> Latency:
    return Latency(
        count=histogram.count,
        p50=histogram.percentile(0.5),
        p90=histogram.percentile(0.9),
        p99=histogram.percentile(0.99),
        max=histogram.max,
    )

"""A rollout as a chart: from the journal alone, and live with what the router counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self, final

import anyio

from fairdeploy.analysis.chart import CanaryChart, Moment, Seen
from fairdeploy.analysis.counted import difference
from fairdeploy.analysis.state import State
from fairdeploy.engine.guard_state import GuardState
from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.journal import SystemClock
from fairdeploy.model import Began, Ended, ErrorComparison, Intended, Judged, Shift, Undoing
from fairdeploy.model._check import milliseconds

if TYPE_CHECKING:
    from datetime import timedelta

    from fairdeploy.engine.rollout import Rollout
    from fairdeploy.model import Base, Counters, Event, Plan, RevisionId, TargetId
    from fairdeploy.protocols import Backend, Clock

__all__ = ["Charts", "chart_of", "charts"]

_COMPARED = ErrorComparison().kind


def chart_of(plan: Plan, events: Sequence[Event], *, target: TargetId | None = None) -> CanaryChart:
    """Return the chart of a rollout as its journal tells it: verdicts, weights, and what guards had counted.

    Guards that compare errors write down what they have counted when their verdict changes and at each change of
    the split: there are as many points. `charts` gives more while a rollout runs.

    Args:
        plan: Of the rollout.
        events: Its events, from its beginning.
        target: Of which target; ``None``: the plan's only one, or first.

    Raises:
        InvalidInput: If the plan does not name the target.
    """
    base = _base(plan, target)
    return _Told(plan, base).told(CanaryChart(base.candidate or "", base.stable or ""), events)


def charts(
    rollout: Rollout,
    backend: Backend,
    *,
    every: timedelta | float = 1.0,
    target: TargetId | None = None,
    clock: Clock | None = None,
) -> Charts:
    """Return the charts of a rollout while it runs, a new one every so often; the last one after its end.

    Args:
        rollout: Which one, in whichever process.
        backend: Where it runs: its router's counters and its journal are read, and nothing is changed.
        every: Time between two charts, at least 50 ms.
        target: Of which target; ``None``: the plan's only one, or first.
        clock: Another one only in tests.

    Raises:
        InvalidInput: If the plan does not name the target, or the backend has no router.

    Example:
        In a notebook::

            handle = display(CanaryChart("", ""), display_id=True)
            async for chart in charts(rollout, backend):
                handle.update(chart)
    """
    if backend.router is None:
        msg = "this backend has no router whose counters could be drawn: use chart_of(plan, events)"
        raise InvalidInput(msg)
    ms = milliseconds(every, "every", low=50)
    return Charts(rollout, backend, _base(rollout.plan, target), ms / 1000, clock or SystemClock())


@final
class Charts:
    """An asynchronous iterator over `CanaryChart`. Made by `charts`; needs no closing."""

    def __init__(self, rollout: Rollout, backend: Backend, base: Base, every: float, clock: Clock) -> None:
        self._rollout = rollout
        self._backend = backend
        self._base = base
        self._every = every
        self._clock = clock
        self._chart = CanaryChart(base.candidate or "", base.stable or "")
        self._told = _Told(rollout.plan, base)
        self._since = 0
        self._last: dict[RevisionId, Counters] = {}
        self._seen: dict[RevisionId, Seen] = {}
        self._begun = False

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> CanaryChart:
        """Return the next chart.

        Raises:
            StopAsyncIteration: After the rollout's end.
            JournalError: If the journal cannot be read.
        """
        if self._told.ended:
            raise StopAsyncIteration
        if self._begun:
            await anyio.sleep(self._every)
        events = await self._backend.journal.read(self._rollout.id, since=self._since)
        self._since = events[-1].seq if events else self._since
        # Once it is counted here, what the guards have counted would come twice.
        self._chart = self._told.told(self._chart, events, counts=not self._begun)
        self._begun = True
        if not self._told.ended:
            await self._look()
        return self._chart

    async def _look(self) -> None:
        router = self._backend.router
        try:
            counted = await router.counters(self._base.target) if router is not None else {}
        except FairdeployError:
            return  # a router that cannot be asked has no point in the chart; the next look may
        for revision in {self._base.candidate, self._base.stable} - {None}:
            self._add(str(revision), counted)
        seconds = max(self._told.seconds(self._clock.wall() * 1000), self._latest())
        self._chart = self._chart.with_moment(
            Moment(
                seconds=seconds,
                candidate=self._seen.get(str(self._base.candidate), Seen()),
                baseline=self._seen.get(str(self._base.stable), Seen()),
                percent=self._told.percent,
            )
        )

    def _latest(self) -> float:
        return self._chart.moments[-1].seconds if self._chart.moments else 0.0

    def _add(self, revision: RevisionId, counted: Mapping[RevisionId, Counters]) -> None:
        now = counted.get(revision)
        if now is None:
            return
        last, self._last[revision] = self._last.get(revision), now
        more = difference(now, last) if last is not None else None
        if more is not None:  # else counting began anew: what is counted from here on is added
            seen = self._seen.get(revision, Seen())
            self._seen[revision] = Seen(seen.requests + more.requests, seen.errors + more.errors)


@final
class _Told:
    """What a journal's events come to."""

    def __init__(self, plan: Plan, base: Base) -> None:
        self._plan = plan
        self._base = base
        self._began_ms: float | None = None
        self.percent = _percent(base, None)
        self.ended = False

    def seconds(self, at_ms: float) -> float:
        """Return the time since the rollout began."""
        return max(0.0, (at_ms - self._began_ms) / 1000) if self._began_ms is not None else 0.0

    def told(self, chart: CanaryChart, events: Sequence[Event], *, counts: bool = True) -> CanaryChart:
        """Return the chart with what events tell."""
        for event in events:
            at = self.seconds(event.at_ms)
            match event.record:
                case Began():
                    self._began_ms = event.at_ms
                case Judged() as judged:
                    chart = self._counted(chart, at, judged.state, counts=counts)
                    chart = chart.with_mark(at, _judged(judged))
                case Intended() as intended:
                    for _, state in intended.states:
                        chart = self._counted(chart, at, state, counts=counts)
                    self._shifted(intended)
                case Undoing(reason=reason):
                    chart = chart.with_mark(at, f"going back: {reason}")
                case Ended(result=result):
                    self.ended = True
                    chart = chart.with_mark(at, result.outcome.replace("_", " "))
                case _:
                    pass
        return chart

    def _shifted(self, intended: Intended) -> None:
        step = intended.undo or next((each for each in self._plan.steps if each.id == intended.step), None)
        if isinstance(step, Shift) and step.target == self._base.target.id:
            self.percent = _percent(self._base, step)

    def _counted(self, chart: CanaryChart, at: float, text: str, *, counts: bool) -> CanaryChart:
        """Return the chart with what a guard had counted, if it compares errors."""
        written = GuardState.read(text).comparison
        state = State.read(written) if written and counts else None
        if state is None or state.kind != _COMPARED or not state.tallies:
            return chart
        (n, x), (m, y) = state.waiting or ((0, 0), (0, 0))
        tally = state.tallies[0]
        return chart.with_moment(
            Moment(
                seconds=max(at, chart.moments[-1].seconds if chart.moments else 0.0),
                candidate=Seen(state.candidate + n, tally.candidate + x),
                baseline=Seen(state.baseline + m, tally.baseline + y),
                percent=self.percent,
            )
        )


def _base(plan: Plan, target: TargetId | None) -> Base:
    return plan.bases[0] if target is None else plan.base(target)


def _percent(base: Base, step: Shift | None) -> float:
    split = base.split if step is None else step.split
    return split.percent(base.candidate) if split is not None and base.candidate is not None else 0.0


def _judged(record: Judged) -> str:
    follows = "" if record.action == "continue" else f" → {record.action}"
    return f"{record.guard}: {record.verdict.replace('_', ' ')}{follows}: {record.message}"

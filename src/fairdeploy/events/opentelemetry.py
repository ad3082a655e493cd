"""Rollouts as traces and metrics of OpenTelemetry, by its semantic conventions 1.44 for CI/CD and deployments.

Only the API is used: without an SDK, configured by the program, nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import MissingDependency
from fairdeploy.events.outcomes import CICD, DEPLOYMENT
from fairdeploy.events.reading import Ending, ending
from fairdeploy.events.timing import times_of
from fairdeploy.model import Ended, Intended, Judged, Outcome, Settled, Undoing, _check

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise MissingDependency('traces and metrics need: pip install "fairdeploy[telemetry]"') from error

if TYPE_CHECKING:
    from fairdeploy.model import Event, Notice
    from fairdeploy.protocols import Journal

__all__ = ["OpenTelemetrySink"]

_NS: Final = 1_000_000
_BOUNDS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
"""Seconds: from a switch to a day of watching."""


@final
@dataclass(slots=True)
class _Task:
    """A step, as a span: what came back is one of its own."""

    name: str
    began_ms: int
    ended_ms: int = 0
    result: str = "success"


@final
class OpenTelemetrySink:
    """An `EventSink` that records a rollout once it has ended: one trace of all its steps, and its durations.

    The times are those of the journal, so that it does not matter which process records them, nor when. The trace's
    root is named ``RUN <strategy>``; verdicts are its events. ``cicd.pipeline.run.duration`` has one point for what the
    rollout moved and watched (state ``executing``) and one for what it waited for people (``pending``).

    Args:
        journal: Where the steps are read.
        tracer_provider: Of OpenTelemetry; ``None``: the program's.
        meter_provider: Of OpenTelemetry; ``None``: the program's.
        name: See `EventSink.name`.

    Raises:
        InvalidInput: If the name cannot be one.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        name: str = "opentelemetry",
    ) -> None:
        self._journal = journal
        self._name = _check.name(name, "a sink")
        self._tracer = trace.get_tracer("fairdeploy", tracer_provider=tracer_provider)
        meter = metrics.get_meter("fairdeploy", meter_provider=meter_provider)
        self._durations = meter.create_histogram(
            "cicd.pipeline.run.duration",
            unit="s",
            description="Duration of a rollout, by what it did",
            explicit_bucket_boundaries_advisory=_BOUNDS,
        )
        self._errors = meter.create_counter(
            "cicd.pipeline.run.errors", unit="{error}", description="Rollouts that were not promoted"
        )

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`. Recording never fails; exporting is the program's.

        Raises:
            JournalError: If the journal cannot be read.
        """
        found = await ending(self._journal, notice)
        if found is not None:
            self._traced(notice, found)
            self._measured(notice, found)

    def _traced(self, notice: Notice, found: Ending) -> None:
        run = {
            **_of_pipeline(notice),
            "cicd.pipeline.run.id": notice.rollout,
            "cicd.pipeline.action.name": "RUN",
            "cicd.pipeline.result": CICD[found.outcome],
            "deployment.id": notice.rollout,
            "deployment.name": notice.strategy,
            "deployment.status": DEPLOYMENT[found.outcome],
        }
        # No parent: whatever the delivering program does at the moment did not cause it.
        root = self._tracer.start_span(
            f"RUN {notice.strategy}",
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            kind=trace.SpanKind.SERVER,
            attributes=run,
            start_time=found.events[0].at_ms * _NS,
        )
        for event in found.events:
            if isinstance(event.record, Judged):
                said = {
                    "fairdeploy.guard": event.record.guard,
                    "fairdeploy.verdict": str(event.record.verdict),
                }
                root.add_event("verdict", said, timestamp=event.at_ms * _NS)
        if found.outcome is not Outcome.PROMOTED:
            root.set_attribute("error.type", str(found.outcome))
            root.set_status(trace.StatusCode.ERROR, notice.text)
        for task in _tasks(found.events):
            self._step(root, task, notice.rollout)
        root.end(found.ended_ms * _NS)

    def _step(self, root: trace.Span, task: _Task, rollout: str) -> None:
        attributes = {
            "cicd.pipeline.task.name": task.name,
            "cicd.pipeline.task.run.id": f"{rollout}/{task.name}",
            "cicd.pipeline.task.type": "deploy",
            "cicd.pipeline.task.run.result": task.result,
        }
        span = self._tracer.start_span(
            task.name,
            context=trace.set_span_in_context(root),
            attributes=attributes,
            start_time=task.began_ms * _NS,
        )
        if task.result != "success":
            span.set_status(trace.StatusCode.ERROR)
        span.end(task.ended_ms * _NS)

    def _measured(self, notice: Notice, found: Ending) -> None:
        times = times_of(found.events)
        labels = {**_of_pipeline(notice), "cicd.pipeline.result": CICD[found.outcome]}
        for state, ms in (("executing", times.progression_ms), ("pending", times.pause_ms)):
            self._durations.record(ms / 1000, {**labels, "cicd.pipeline.run.state": state})
        if found.outcome is not Outcome.PROMOTED:
            self._errors.add(1, {**_of_pipeline(notice), "error.type": str(found.outcome)})


def _of_pipeline(notice: Notice) -> Mapping[str, str]:
    environments = dict.fromkeys(subject.environment for subject in notice.subjects)
    named = {"cicd.pipeline.name": f"{notice.strategy} of {', '.join(notice.targets)}"}
    return {**named, "deployment.environment.name": ", ".join(environments)}


def _tasks(events: Sequence[Event]) -> Iterator[_Task]:
    """Yield the steps with begin and end; one that was cut off ends with the rollout, or where it was decided."""
    tasks: dict[tuple[str, str], _Task] = {}
    last = events[-1].at_ms
    for event in events:
        match event.record:
            case Intended(step=step, phase=phase):
                tasks.setdefault((step, phase), _Task(step, event.at_ms))
            case Settled(step=step, phase=phase) if (step, phase) in tasks:
                tasks[step, phase].ended_ms = event.at_ms
            case Undoing(step=step) if (step, "do") in tasks:
                task = tasks[step, "do"]
                task.ended_ms, task.result = task.ended_ms or event.at_ms, "failure"
            case Ended():
                last = event.at_ms
            case _:
                pass
    for task in tasks.values():
        task.ended_ms = task.ended_ms or last
    yield from tasks.values()

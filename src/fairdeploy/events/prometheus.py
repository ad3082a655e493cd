"""Rollouts as metrics of Prometheus, for whoever scrapes the program that delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from fairdeploy.errors import MissingDependency
from fairdeploy.events.reading import ending
from fairdeploy.events.timing import times_of
from fairdeploy.model import _check

try:
    from prometheus_client import REGISTRY, Counter, Histogram
except ImportError as error:
    raise MissingDependency('metrics of Prometheus need: pip install "fairdeploy[telemetry]"') from error

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from fairdeploy.model import Notice
    from fairdeploy.protocols import Journal

__all__ = ["PrometheusSink"]

_BUCKETS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
_LABELS: Final = ("target", "strategy", "outcome")


@final
class PrometheusSink:
    """An `EventSink` that counts rollouts and measures how long they took, split as Argo Rollouts splits it.

    ``fairdeploy_rollout_duration_seconds`` is the sum of ``fairdeploy_rollout_progression_duration_seconds`` (moving,
    watching, going back) and ``fairdeploy_rollout_pause_duration_seconds`` (paused, or waiting for an approval or a
    window); ``fairdeploy_rollouts_total`` counts. Labels are target, strategy and outcome, never a rollout's id.

    Args:
        journal: Where the times are read.
        registry: Of prometheus_client; ``None``: its own.
        name: See `EventSink.name`.

    Raises:
        InvalidInput: If the name cannot be one.
    """

    def __init__(
        self, journal: Journal, *, registry: CollectorRegistry | None = None, name: str = "prometheus"
    ) -> None:
        self._journal = journal
        self._name = _check.name(name, "a sink")
        at = registry or REGISTRY
        self._counted = Counter("fairdeploy_rollouts", "Rollouts that ended", _LABELS, registry=at)
        self._whole, self._moving, self._waiting = (
            Histogram(
                f"fairdeploy_rollout_{part}duration_seconds", says, _LABELS, registry=at, buckets=_BUCKETS
            )
            for part, says in (
                ("", "How long rollouts took"),
                ("progression_", "How long they moved, watched and went back"),
                ("pause_", "How long they waited for people or a window"),
            )
        )

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`.

        Raises:
            JournalError: If the journal cannot be read.
        """
        found = await ending(self._journal, notice)
        if found is None:
            return
        times = times_of(found.events)
        for target in notice.targets:
            labels = (target, notice.strategy, str(found.outcome))
            self._counted.labels(*labels).inc()
            self._whole.labels(*labels).observe(times.total_ms / 1000)
            self._moving.labels(*labels).observe(times.progression_ms / 1000)
            self._waiting.labels(*labels).observe(times.pause_ms / 1000)

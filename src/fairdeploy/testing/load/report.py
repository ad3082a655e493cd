"""What a load has found, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, final

from typing_extensions import override

from fairdeploy.errors import InvalidInput
from fairdeploy.testing.load.outcomes import Cause

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["KindReport", "Latency", "LoadReport", "LostRequest", "RevisionReport"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from the moment a request was due to the end of its answer; lost requests are not in it.

    A websocket session counts with its longest wait for an echo, since its length says nothing.
    """

    count: int
    p50: float
    p90: float
    p99: float
    max: float


@final
@dataclass(frozen=True, slots=True)
class KindReport:
    """The figures of one kind of traffic."""

    kind: str
    requests: int
    ok: int
    app_errors: int
    lost: int
    latency: Latency


@final
@dataclass(frozen=True, slots=True)
class RevisionReport:
    """The answered requests of one revision; a request without an answer belongs to none."""

    revision: str
    requests: int
    ok: int
    app_errors: int
    lost: int
    """Answered by this revision and yet lost: a wrong echo, a websocket that broke after its handshake."""
    first_started: float
    """When the earliest of its requests started; `time.monotonic()`, one clock for all processes of a Linux machine."""
    last_started: float
    """When the latest of its requests started."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LostRequest:
    """One lost request."""

    time: float
    """When it ended; `time.monotonic()`."""
    kind: str
    path: str
    cause: Cause
    detail: str
    connection_age: float | None
    """Age of its connection in seconds when the request was written; None if there was none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """Everything a load counted. `requests == ok + app_errors + lost + in_flight`, at any time."""

    requests: int
    ok: int
    app_errors: int
    lost: int
    in_flight: int
    """Begun and not ended; 0 once the load has stopped."""
    running: bool
    started: float
    """When the load began; `time.monotonic()`."""
    seconds: float
    """How long arrivals have been or were generated; the wait for the last answers is not in it."""
    kinds: Mapping[str, KindReport]
    by_revision: Mapping[str, RevisionReport]
    statuses: Mapping[int, int]
    """Answers by status, whoever gave them; 101 is a websocket's opening handshake."""
    lost_by_cause: Mapping[Cause, int]
    lost_requests: tuple[LostRequest, ...]
    """The first lost requests, up to the limit given; `lost` counts all."""
    not_started: Mapping[str, int]
    """Due and never sent, by reason: `in_flight_limit`, or a shortage of this machine (`EMFILE`, ...). Not in `requests`."""
    reconnects: int
    """Idle connections that the server had closed before a request was written; nothing is lost by that."""
    session_moves: int
    """How often a visitor with cookies was answered by another revision than before."""
    websocket_messages: int
    """Messages that were echoed."""
    closing_handshakes: Mapping[str, int]
    """Websocket sessions that ended with a closing handshake, by who began it: `client` or `server`."""
    worst_lag: float
    """The furthest that the generator itself fell behind its schedule, in seconds; large values mean a starved machine."""

    @property
    def status_classes(self) -> Mapping[str, int]:
        """Answers by class: `{"2xx": 120, "5xx": 3}`."""
        classes: dict[str, int] = {}
        for status, count in sorted(self.statuses.items()):
            name = f"{status // 100}xx"
            classes[name] = classes.get(name, 0) + count
        return classes

    @override
    def __str__(self) -> str:
        """Return a few lines for people."""
        rate = self.requests / self.seconds if self.seconds > 0 else 0.0
        lines = [
            f"{self.requests} requests in {self.seconds:.1f} s ({rate:.0f}/s): {self.ok} ok, {self.app_errors} app errors, {self.lost} lost"
            + (f", {self.in_flight} in flight" if self.in_flight else "")
        ]
        lines += [
            f"  {kind.kind:<15} {kind.requests:>8}  lost {kind.lost}  app errors {kind.app_errors}  "
            f"p50 {kind.latency.p50 * 1e3:.1f} ms  p90 {kind.latency.p90 * 1e3:.1f}  p99 {kind.latency.p99 * 1e3:.1f}  "
            f"max {kind.latency.max * 1e3:.1f}"
            for kind in self.kinds.values()
        ]
        lines += [
            f"  revision {revision.revision}: {revision.requests} requests, {revision.app_errors} app errors"
            for revision in self.by_revision.values()
        ]
        lines += [f"  lost, {cause.value}: {count}" for cause, count in self.lost_by_cause.items()]
        lines += [f"  never started, {reason}: {count}" for reason, count in self.not_started.items()]
        return "\n".join(lines)

    def to_json(self, *, max_lost: int | None = None) -> dict[str, object]:
        """Return a dictionary that `json.dumps` takes, with at most `max_lost` lost requests."""
        report = self if max_lost is None else replace(self, lost_requests=self.lost_requests[:max_lost])
        return asdict(report)

    @staticmethod
    def from_json(data: object) -> LoadReport:
        """Read what `to_json` gave, also after its way through JSON text.

        Raises:
            InvalidInput: It is not a report.
        """
        from pydantic import ValidationError  # noqa: PLC0415 -- late: its import costs 100 ms

        try:
            return _adapter().validate_python(data)
        except ValidationError as exc:
            msg = f"not a load report: {exc.error_count()} fields are missing or wrong; expected what LoadReport.to_json() gives"
            raise InvalidInput(msg) from exc


@cache
def _adapter() -> TypeAdapter[LoadReport]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- late: its import costs 100 ms

    return TypeAdapter(LoadReport)

"""What sends the requests of a load: on schedule, or by workers, and never twice."""

from __future__ import annotations

import time
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from fairdeploy.testing.load._client import Done, HTTPClient
from fairdeploy.testing.load._recorder import Recorder
from fairdeploy.testing.load._sessions import Sessions
from fairdeploy.testing.load.outcomes import Answer, Cause, Loss, answered_by_app
from fairdeploy.testing.load.report import LoadReport
from fairdeploy.testing.load.traffic import WebSocket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from fairdeploy.testing.load._endpoint import Endpoint
    from fairdeploy.testing.load._socket_session import WebSocketClient
    from fairdeploy.testing.load.outcomes import Classifier
    from fairdeploy.testing.load.settings import LoadSettings, Pace
    from fairdeploy.testing.load.traffic import Traffic

__all__ = ["Engine"]

_BREATH = 64
"""Requests that may be launched in a row before other tasks run, when the generator is behind its schedule."""
_PAUSE_AFTER_LOSS_S = 0.01


class Engine:
    """Sends the requests of one load, and keeps its books."""

    def __init__(
        self,
        endpoint: Endpoint,
        mix: Sequence[Traffic],
        pace: Pace,
        settings: LoadSettings,
        classify: Classifier | None,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._mix, self._pace, self._settings = mix, pace, settings
        self._shares = list(accumulate(traffic.weight for traffic in mix))
        self._random = Random(settings.seed)  # noqa: S311 -- an order that can be repeated, no secret
        header = settings.revision_header.lower()
        classify = classify or answered_by_app(settings.marker or header)
        self._recorder = Recorder(classify=classify, revision_header=header, max_lost=settings.max_lost)
        self._sessions = Sessions(settings.visitors)
        self._http = HTTPClient(
            endpoint, pool_size=settings.pool_size, sessions=self._sessions, revision_header=header
        )
        self.ended = anyio.Event()
        """Set once no further request begins; answers may be outstanding."""
        self._idle = anyio.Event()
        self._stopping = anyio.Event()
        self._arrivals = anyio.CancelScope()
        self._sockets = _websockets(mix, endpoint, self._stopping, header)
        self._launched = 0
        self._worst_lag = 0.0
        self._began = time.monotonic()
        self._until: float | None = None
        self._final: LoadReport | None = None

    def snapshot(self) -> LoadReport:
        """Return the figures so far, at any time."""
        if self._final is not None:
            return self._final
        recorder, kinds = self._recorder, self._recorder.kinds()
        return LoadReport(
            requests=sum(kind.requests for kind in kinds.values()),
            ok=sum(kind.ok for kind in kinds.values()),
            app_errors=sum(kind.app_errors for kind in kinds.values()),
            lost=sum(kind.lost for kind in kinds.values()),
            in_flight=recorder.in_flight,
            running=not self.ended.is_set(),
            started=self._began,
            seconds=(time.monotonic() if self._until is None else self._until) - self._began,
            kinds=kinds,
            by_revision=recorder.revisions(),
            statuses=dict(recorder.statuses),
            lost_by_cause=dict(recorder.causes),
            lost_requests=tuple(recorder.lost),
            not_started=dict(recorder.not_started),
            reconnects=self._http.reconnects,
            session_moves=self._sessions.moves,
            websocket_messages=recorder.messages,
            closing_handshakes=dict(recorder.handshakes),
            worst_lag=self._worst_lag,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing will be counted any more."""
        return self._final is not None

    async def run(self, requests: TaskGroup) -> None:
        """Send requests until a bound is reached or `end` is called."""
        with self._arrivals, anyio.move_on_after(self._settings.max_seconds):
            if self._pace.rate is not None:
                await self._open_loop(requests, self._pace.rate)
            else:
                for _ in range(self._pace.workers or 1):
                    requests.start_soon(self._work)
                await self.ended.wait()
        self.end()

    def end(self) -> None:
        """Let no further request begin."""
        if not self.ended.is_set():
            self._until = time.monotonic()
            self.ended.set()
            self._arrivals.cancel()

    async def drain(self) -> None:
        """Wait for the answers that are still out, as long as the settings allow."""
        self.end()
        self._stopping.set()  # websocket sessions say goodbye early, and well
        with anyio.move_on_after(self._settings.stop_within):
            if self._recorder.in_flight:
                await self._idle.wait()

    def finish(self) -> None:
        """Close what is left, and fix the figures."""
        self.end()
        self._http.close()
        self._final = self.snapshot()

    def _may_begin(self) -> bool:
        return not self.ended.is_set()

    async def _open_loop(self, requests: TaskGroup, rate: float) -> None:
        first = time.monotonic()
        due_count = in_a_row = 0
        while self._may_begin():
            due = first + due_count / rate
            lag = time.monotonic() - due
            if lag < 0:
                in_a_row = 0
                await anyio.sleep(-lag)
                continue
            if in_a_row >= _BREATH:
                in_a_row = 0
                await anyio.lowlevel.checkpoint()
                continue
            in_a_row += 1
            due_count += 1
            self._worst_lag = max(self._worst_lag, lag)
            if self._recorder.in_flight >= self._settings.max_in_flight:
                self._recorder.refuse("in_flight_limit")
            else:
                requests.start_soon(self._send, *self._begin(), due)

    async def _work(self) -> None:
        while self._may_begin():
            done = await self._send(*self._begin(), time.monotonic())
            if isinstance(done.result, Answer):
                continue
            with anyio.move_on_after(_PAUSE_AFTER_LOSS_S):  # a closed port would else be asked without end
                await self.ended.wait()

    def _begin(self) -> tuple[Traffic, int]:
        """Choose the next request and count it as begun."""
        traffic = self._random.choices(self._mix, cum_weights=self._shares)[0]
        self._recorder.begin(traffic)
        self._launched += 1
        if self._launched >= self._settings.max_requests:
            self.end()
        return traffic, self._launched

    async def _send(self, traffic: Traffic, number: int, due: float) -> Done:
        """Send one request; counts its end exactly once, however it ends."""
        done = Done(Loss(Cause.UNFINISHED, "given up when the load stopped"), due)
        try:
            if not isinstance(traffic, WebSocket):
                done = await self._http.perform(traffic, number)
            elif self._sockets is not None:
                done = await self._sockets.perform(
                    traffic, number, self._sessions.take() if traffic.session else None
                )
        finally:
            self._recorder.end(traffic, due, done)
            if self.ended.is_set() and not self._recorder.in_flight:
                self._idle.set()
        return done


def _websockets(
    mix: Sequence[Traffic], endpoint: Endpoint, stopping: anyio.Event, header: str
) -> WebSocketClient | None:
    if not any(isinstance(traffic, WebSocket) for traffic in mix):
        return None
    from fairdeploy.testing.load._socket_session import WebSocketClient  # noqa: PLC0415 -- needs a library that plain HTTP does without

    return WebSocketClient(endpoint, stopping=stopping, revision_header=header)

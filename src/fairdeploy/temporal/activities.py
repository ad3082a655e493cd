"""What workflows of rollouts ask of a worker: to begin one, to take a turn, to pass a command on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, final

import anyio
from temporalio import activity
from temporalio.exceptions import ApplicationError

from fairdeploy.engine.feed import feed_of
from fairdeploy.engine.turn import first_turn, turn
from fairdeploy.errors import FairdeployError
from fairdeploy.journal import codec
from fairdeploy.model import Command, RolloutResult
from fairdeploy.temporal.values import BEGIN, SEND, STEP, Begun, Order, Send, Turn, Turned

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fairdeploy.engine.desk import Desk

__all__ = ["Activities"]

T = TypeVar("T")
_BEATS = 3
"""Heartbeats in the time after which a worker without one counts as dead."""


@final
class Activities:
    """The activities of one worker, over what its deployer acts with."""

    def __init__(self, desk: Desk, *, validate: bool) -> None:
        self._desk = desk
        self._validate = validate

    @property
    def all(self) -> list[Callable[..., Any]]:  # what a worker takes: their signatures differ
        """Return them as a worker registers them."""
        return [self.begin, self.step, self.send]

    @activity.defn(name=BEGIN)
    async def begin(self, order: Order) -> Begun:
        """Begin a rollout, or find what an earlier attempt has begun."""
        async with _alive(), _told(), _elsewhere():
            plan = codec.plan(order.plan, "the plan of a workflow")
            rollout, baton = await first_turn(
                self._desk,
                plan,
                _holder(),
                on_conflict=order.on_conflict,
                validate=self._validate if order.validate is None else order.validate,
            )
        base = plan.bases[0]
        return Begun(
            rollout=rollout,
            backend=base.backend,
            target=base.target.id,
            steps=[step.id for step in plan.steps],
            baton=baton,
        )

    @activity.defn(name=STEP)
    async def step(self, asked: Turn) -> Turned:
        """Carry out the next step. A worker that shuts down completes the effect in hand and hands the rest on."""
        journal = self._desk.backend(asked.backend).journal
        # Of an attempt before this one nobody knows how far it came: as after any crash, the journal tells.
        baton = asked.baton if activity.info().attempt == 1 else None
        leave = anyio.Event()
        async with _alive(), _told():
            came = await _unless_cancelled(
                turn(
                    self._desk,
                    journal,
                    asked.target,
                    asked.rollout,
                    holder=_holder(),
                    baton=baton,
                    leave=leave,
                ),
                leave,
            )
        if isinstance(came, RolloutResult):
            return Turned(result=codec.encode(came))
        return Turned(baton=came)

    @activity.defn(name=SEND)
    async def send(self, asked: Send) -> None:
        """Write a command to the journal, where whoever drives the rollout finds it."""
        journal = self._desk.backend(asked.backend).journal
        command = Command(
            verb=asked.verb, full=asked.asked.full, reason=asked.asked.reason, by=asked.asked.by
        )
        async with _told():
            await journal.send(asked.rollout, command)
        feed_of(journal).wake()


def _holder() -> str:
    """Return who acts: the workflow, wherever its activities run. No process id, so that nobody takes it for dead."""
    info = activity.info()
    return f"temporal:{info.workflow_id} run={info.workflow_run_id}"


@asynccontextmanager
async def _told() -> AsyncGenerator[None]:
    """Say what went wrong as Temporal knows it: whether it is worth another attempt."""
    try:
        yield
    except FairdeployError as error:
        name, final = type(error).__name__, not error.retryable
        raise ApplicationError(str(error), type=name, non_retryable=final) from error


@asynccontextmanager
async def _alive() -> AsyncGenerator[None]:
    """Send heartbeats while the block runs."""
    timeout = activity.info().heartbeat_timeout
    assert timeout is not None  # noqa: S101 -- the workflow sets one

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(timeout.total_seconds() / _BEATS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


@asynccontextmanager
async def _elsewhere() -> AsyncGenerator[None]:
    """Say that another worker is to do it, where this one shuts down: to Temporal it would be cancelled for good."""
    try:
        yield
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        if details is None or not details.worker_shutdown:
            raise
        raise ApplicationError("the worker shut down", type="Shutdown") from None


async def _unless_cancelled(work: Coroutine[Any, Any, T], leave: anyio.Event) -> T:
    """Return what comes of some work; where this is cancelled, tell it to leave and wait for that."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        leave.set()
        return await task

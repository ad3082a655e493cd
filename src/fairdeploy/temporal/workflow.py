"""A rollout as a workflow: its steps are activities, its commands signals, its progress a query.

It decides nothing: the plan is data, the engine in the activities carries it out. Nothing is imported here that acts.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Literal, final

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from fairdeploy.temporal.values import (
        BEGIN,
        SEND,
        STEP,
        Asked,
        Begun,
        Order,
        Progress,
        Send,
        Turn,
        Turned,
    )

__all__ = ["RolloutWorkflow"]

_LONGEST_STEP = timedelta(days=30)
"""An approval may take so long; then the turn is begun anew. Whether a worker lives, its heartbeats tell sooner."""
_COMMAND = timedelta(seconds=30)
_CANCELLED = Asked(reason="the workflow was cancelled")
_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


@final
@workflow.defn(name="fairdeploy.Rollout")
class RolloutWorkflow:
    """One rollout. Its result is the text of a `RolloutResult`; `fairdeploy.temporal.starting.outcome` reads it."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._begun: Begun | None = None
        self._now = Turned()
        self._step = ""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Begin the rollout, and take turn after turn until it has ended.

        A cancellation aborts it: the workflow is cancelled once the rollout is back.
        """
        beat = timedelta(milliseconds=order.heartbeat_ms)
        begun = await workflow.execute_activity(
            BEGIN,
            order,
            result_type=Begun,
            start_to_close_timeout=_LONGEST_STEP,
            heartbeat_timeout=beat,
            retry_policy=_AGAIN,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        self._begun, self._now = begun, Turned(baton=begun.baton)
        if (
            workflow.cancellation_reason() is not None
        ):  # it came too late to keep the rollout from being begun
            await self._send("abort", _CANCELLED)
        while self._now.result is None:
            baton = self._now.baton
            self._step = baton.step if baton is not None else self._step
            turn = Turn(rollout=begun.rollout, backend=begun.backend, target=begun.target, baton=baton)
            self._now = await self._through(
                workflow.start_activity(
                    STEP,
                    turn,
                    result_type=Turned,
                    start_to_close_timeout=_LONGEST_STEP,
                    heartbeat_timeout=beat,
                    retry_policy=_AGAIN,
                    summary=self._step,
                )
            )
        await workflow.wait_condition(workflow.all_handlers_finished)
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        return self._now.result

    async def _through(self, turn: asyncio.Future[Turned]) -> Turned:
        """Wait for a turn. A cancellation does not reach it: half an effect is worse than a late one."""
        while True:
            try:
                return await asyncio.shield(turn)
            except asyncio.CancelledError:
                if turn.cancelled():
                    raise
                await self._send("abort", _CANCELLED)

    @workflow.signal
    async def pause(self, asked: Asked) -> None:
        """Stop before the next step; guards go on watching."""
        await self._send("pause", asked)

    @workflow.signal
    async def resume(self, asked: Asked) -> None:
        """End a pause."""
        await self._send("resume", asked)

    @workflow.signal
    async def promote(self, asked: Asked) -> None:
        """End the present bake, approval or pause; with ``full`` all that are left."""
        await self._send("promote", asked)

    @workflow.signal
    async def approve(self, asked: Asked) -> None:
        """Give the approval that the rollout waits for."""
        await self._send("promote", asked)

    @workflow.signal
    async def abort(self, asked: Asked) -> None:
        """Go back to the base."""
        await self._send("abort", asked)

    @workflow.query
    def progress(self) -> Progress:
        """Return how far the rollout has come."""
        if self._begun is None:
            return Progress()
        steps = self._begun.steps
        done = steps.index(self._step) if self._step in steps else 0
        return Progress(
            rollout=self._begun.rollout, step=self._step, done=done, of=len(steps), result=self._now.result
        )

    async def _send(self, verb: Literal["pause", "resume", "promote", "abort"], asked: Asked) -> None:
        await workflow.wait_condition(lambda: self._begun is not None)
        assert self._begun is not None  # noqa: S101 -- waited for above
        if self._now.result is not None:
            return
        await workflow.execute_activity(
            SEND,
            Send(rollout=self._begun.rollout, backend=self._begun.backend, verb=verb, asked=asked),
            start_to_close_timeout=_COMMAND,
            retry_policy=_AGAIN,
            summary=verb,
        )

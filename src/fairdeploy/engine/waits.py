"""Steps that are waits: a bake, an approval, a window. What verdicts, pauses and cancellation interrupt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fairdeploy.engine.control import Stop
from fairdeploy.engine.decide import Route
from fairdeploy.engine.world import wanted_routes
from fairdeploy.errors import FairdeployError, Fenced
from fairdeploy.model import Await, Bake, Base, Parked, Resumed, Retried, Window

if TYPE_CHECKING:
    from fairdeploy.engine.run import Run

__all__ = ["approve", "bake", "seconds_until_open"]

_TICK = 1.0
"""Seconds between two looks at the instances while nothing else happens."""
_LONGEST_WAIT = 60.0
"""Seconds between two looks at the wall clock, by which approvals and windows are dated."""


async def bake(run: Run, step: Bake) -> str:
    """Wait for the bake time, not counting pauses and holds; `promote` ends it early.

    Raises:
        Stopped: If the rollout is to stop.
    """
    control, base = run.control, run.history.plan.base(step.target)
    left = step.duration_ms / 1000
    last_tick = run.clock.monotonic()
    while left > 0:
        control.check()
        if control.take_skip():
            return f"ended early, {left:.0f} s before its time"
        frozen, began = control.frozen, run.clock.monotonic()
        await control.wait(_TICK if frozen else min(left, _TICK))
        now = run.clock.monotonic()
        if not frozen:
            left -= now - began
        if now - last_tick >= _TICK:
            last_tick = now
            await _keep_members(run, step, base)
    control.check()
    return f"{step.duration_ms / 1000:g} s"


async def _keep_members(run: Run, step: Bake, base: Base) -> None:
    """Keep the router's members equal to the instances, which may have been replaced meanwhile."""
    backend = run.backend(base)
    if backend.router is None or base.target.endpoint is None:
        return
    try:
        seen = await run.look(base)
        routes = wanted_routes(run.history.plan, base, run.history.rule(base.target.id), seen)
        if (
            seen.traffic is not None
            and seen.traffic.written is not None
            and seen.traffic.written.pools != routes.pools
        ):
            await run.apply(Route(routes), base, step=step.id)
    except Fenced:
        raise
    except FairdeployError as error:
        # The router's own health checks still protect the traffic; the next tick tries again.
        await run.record(Retried(step=step.id, error=f"{type(error).__name__}: {error}"))


async def approve(run: Run, step: Await) -> str:
    """Wait for a `promote`, or for the window to open; the rollout is parked meanwhile.

    Raises:
        Stopped: If the rollout is to stop, or the wait runs out and its consequence is to abort.
    """
    control = run.control
    until = await _parked_until(run, step)
    while True:
        control.check()
        if control.take_skip():
            await run.record(Resumed(reason="approved" if step.reason == "approval" else "window skipped"))
            return "approved"
        now_ms = run.wall_ms()
        left = (until - now_ms) / 1000
        if step.window is not None:
            closed = seconds_until_open(step.window, now_ms)
            if not closed:
                await run.record(Resumed(reason="the window is open"))
                return "the window is open"
            left = min(left, closed)
        if now_ms >= until:
            return await _run_out(run, step)
        # The wall clock may be set meanwhile: look at it now and then.
        await control.wait(min(left, _LONGEST_WAIT))


async def _parked_until(run: Run, step: Await) -> int:
    """Return when the wait runs out. A rollout that was parked before, by a dead program, keeps its date."""
    parked = run.history.parked
    if parked is not None and parked.until_ms is not None:
        until = parked.until_ms
    else:
        # An approval answers what was asked: a `promote` from before the question is none.
        run.control.skips = 0
        until = run.wall_ms() + step.timeout_ms
    await run.record(Parked(until_ms=until, then="undo" if step.then == "abort" else "resume"))
    # Parking gives the lease back early, for when nobody stays; but this process does.
    await run.tenure.renew()
    return until


async def _run_out(run: Run, step: Await) -> str:
    what = f"{step.reason} did not come within {step.timeout_ms / 1000:g} s"
    if step.then == "continue":
        await run.record(Resumed(reason=what))
        return f"{what}: going on, as planned"
    run.control.stop(Stop(outcome="aborted", reason=what))
    run.control.check()
    return what


def seconds_until_open(window: Window, wall_ms: int) -> float:
    """Return how long until a weekly window opens; 0 while it is open."""
    zone = ZoneInfo(window.zone)
    now = datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(zone)
    for ahead in range(8):
        day = (now + timedelta(days=ahead)).date()
        if day.weekday() not in window.days:
            continue
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        opens = midnight + timedelta(minutes=window.opens)
        closes = midnight + timedelta(minutes=window.closes)
        if now < closes:
            return max(0.0, (opens.astimezone(UTC) - now.astimezone(UTC)).total_seconds())
    msg = f"window {window!r} never opens"
    raise AssertionError(msg)

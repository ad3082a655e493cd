"""Carrying effects out: one call each, short, shielded, with a deadline of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import anyio

from fairdeploy.engine.decide import Effect, Ensure, Forget, Mark, Quiesce, Remove, Route
from fairdeploy.errors import BackendError, DeadlineExceeded

if TYPE_CHECKING:
    from fairdeploy.model import Base, Plan, Release, RevisionId
    from fairdeploy.protocols import Backend, Fence, TrafficRouter

__all__ = ["EFFECT_SECONDS", "perform"]

EFFECT_SECONDS = 60.0
"""Longest that one effect may take. Stopping an instance is the longest: it waits for its grace."""


async def perform(effect: Effect, *, backend: Backend, base: Base, plan: Plan, fence: Fence) -> None:
    """Apply one effect.

    A cancellation does not interrupt it: half an effect is worse than a late one.

    Raises:
        BackendError: If the backend could not; see `FairdeployError.retryable`.
        RouterError: If the router could not.
        Fenced: If the backend has seen a newer epoch.
        DeadlineExceeded: If it took longer than `EFFECT_SECONDS`, or the grace it must wait for.
    """
    seconds = EFFECT_SECONDS + _grace(effect, plan)
    with anyio.move_on_after(seconds, shield=True) as scope:
        await _call(effect, backend=backend, base=base, plan=plan, fence=fence)
    if scope.cancelled_caught:
        msg = f"{type(effect).__name__.lower()} on {base.target.id!r} did not return within {seconds:.0f} s"
        raise DeadlineExceeded(msg)


def _grace(effect: Effect, plan: Plan) -> float:
    if isinstance(effect, (Ensure, Remove)) and effect.revision in plan.releases:
        return plan.releases[effect.revision].stop_grace_ms / 1000
    return 0.0


async def _call(effect: Effect, *, backend: Backend, base: Base, plan: Plan, fence: Fence) -> None:
    target = base.target
    match effect:
        case Ensure():
            release = _release(plan, effect.revision)
            await backend.ensure(
                target, effect.revision, release, effect.replicas, fence, drained=effect.drained
            )
        case Quiesce():
            await backend.quiesce(target, effect.instances, fence)
        case Remove():
            await backend.remove(target, effect.revision, fence)
        case Mark():
            await backend.promote(target, effect.revision, fence)
        case Route():
            await _router(backend, base).apply(target, effect.routes, fence)
        case Forget():
            await _router(backend, base).remove(target, fence)
        case _:
            assert_never(effect)


def _release(plan: Plan, revision: RevisionId) -> Release:
    release = plan.releases.get(revision)
    if release is None:
        msg = (
            f"revision {revision!r} cannot be brought up: neither the plan nor the journal holds its release"
        )
        raise BackendError(msg)
    return release


def _router(backend: Backend, base: Base) -> TrafficRouter:
    if backend.router is None:
        msg = f"target {base.target.id!r} has an endpoint, but its backend has no router"
        raise BackendError(msg)
    return backend.router

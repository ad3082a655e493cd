"""Following what somebody else carries out: asked for once per key, and again how far it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from fairdeploy.engine.perform import EFFECT_SECONDS
from fairdeploy.engine.run import Run, StepFailed
from fairdeploy.errors import BackendError, FairdeployError, Fenced
from fairdeploy.model import Progressed
from fairdeploy.protocols import RolloutController

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fairdeploy.model import Delegate, RunJob
    from fairdeploy.protocols import Fence, Progress

__all__ = ["delegate", "followed"]

_LOOK = 0.1
"""Seconds between two looks at a running job."""
_LOOK_PLATFORM = 0.5
"""Seconds between two looks at what the platform rolls out: each is several requests."""


class _State(Protocol):
    @property
    def phase(self) -> str: ...
    @property
    def output(self) -> tuple[str, ...]: ...


T = TypeVar("T", bound=_State)


async def followed(
    run: Run,
    step: RunJob | Delegate,
    what: str,
    ask: Callable[[Fence], Awaitable[T]],
    *,
    every: float = _LOOK,
    interruptible: bool = True,
) -> T:
    """Ask until it has ended, and return how.

    Args:
        run: The rollout.
        step: What is followed; its id is the key, its deadline counts.
        what: How it is called in errors.
        ask: Asks for it, and returns how far it has come.
        every: Seconds between two looks.
        interruptible: Whether a verdict or an abort ends it; the way back is interrupted by nothing.

    Raises:
        StepFailed: If it cannot be asked for, or has not ended before the step's deadline.
        Stopped: If the rollout is to stop.
        Fenced: If somebody has taken over.
    """
    began = run.clock.monotonic()
    output: tuple[str, ...] = ()
    while True:
        if interruptible or run.control.gone:
            run.control.check()
        fence = await run.tenure.fence(step.id)
        try:
            state = await _asked(ask, fence, what)
        except Fenced:
            raise
        except FairdeployError as error:
            if not error.retryable:
                words = getattr(error, "last_words", ())
                raise StepFailed(f"{what} could not be run: {error}", words) from None
            output = (f"{type(error).__name__}: {error}",)
        else:
            if state.phase != "running":
                return state
            output = state.output
        if (run.clock.monotonic() - began) * 1000 > step.deadline_ms:
            raise StepFailed(f"{what} did not end within {step.deadline_ms / 1000:g} s", output)
        await (run.control.wait(every) if interruptible else anyio.sleep(every))


async def _asked(ask: Callable[[Fence], Awaitable[T]], fence: Fence, what: str) -> T:
    with anyio.move_on_after(EFFECT_SECONDS, shield=True):
        return await ask(fence)
    error = BackendError(f"{what}: no answer within {EFFECT_SECONDS:g} s")
    error.retryable = True
    raise error


async def delegate(run: Run, step: Delegate, *, backwards: bool = False) -> str:
    """Let the platform roll a revision out, forwards or back; return what it said in the end.

    Raises:
        StepFailed: If it has failed, or not ended before the step's deadline.
        Stopped: If the rollout is to stop.
        Fenced: If somebody has taken over.
    """
    base = run.base(step)
    controller = run.backend(base)
    if not isinstance(controller, RolloutController):
        raise StepFailed(f"the backend of {base.target.id!r} rolls nothing out by itself")
    release = run.history.plan.releases.get(step.revision)
    told = ""

    async def ask(fence: Fence) -> Progress:
        nonlocal told
        progress = await controller.delegate(base.target, step, release, fence)
        run.forget()
        if progress.phase == "running" and progress.message != told:
            told = progress.message
            await run.record(Progressed(step=step.id, message=told))
        return progress

    what = f"the rollout of {step.revision!r}"
    state = await followed(run, step, what, ask, every=_LOOK_PLATFORM, interruptible=not backwards)
    if state.phase == "failed":
        raise StepFailed(f"{what} has failed: {state.message}", state.output)
    return state.message

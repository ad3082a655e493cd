"""Carrying out one step of the plan, each kind in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import anyio

from fairdeploy.engine.asking import ask, fault
from fairdeploy.engine.database_steps import carry_database
from fairdeploy.engine.following import delegate, followed
from fairdeploy.engine.run import Run, StepFailed
from fairdeploy.engine.settle import settle, settle_mark
from fairdeploy.engine.waits import approve, bake
from fairdeploy.errors import Fenced
from fairdeploy.model import (
    Action,
    Await,
    AwaitReady,
    Backup,
    Bake,
    CheckResult,
    Delegate,
    Drain,
    Due,
    Freeze,
    Judged,
    Migrate,
    Promote,
    Restore,
    Retire,
    RunJob,
    Scale,
    Shift,
    Start,
    Step,
    Thaw,
    Verdict,
    Verify,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fairdeploy.model import Check
    from fairdeploy.protocols import Fence, JobState

__all__ = ["carry_out"]

_LOOK = 0.02
"""Seconds between two looks at whether the checks have answered."""


async def carry_out(run: Run, step: Step) -> str:
    """Do a step whose intent is recorded; return what was observed, in a few words.

    Raises:
        StepFailed: If it cannot be done.
        Stopped: If the rollout is to stop.
        Fenced: If somebody has taken over.
    """
    match step:
        case Start() | Scale() | AwaitReady() | Shift() | Drain():
            return await settle(run, step)
        case Retire():
            return await _retire(run, step)
        case Bake():
            return await bake(run, step)
        case Await():
            return await approve(run, step)
        case Verify():
            return await _verify(run, step)
        case RunJob():
            return await _job(run, step)
        case Delegate():
            return await delegate(run, step)
        case Promote():
            return await _promote(run, step)
        case Backup() | Migrate() | Restore() | Freeze() | Thaw():
            return await carry_database(run, step)
        case _:
            assert_never(step)


async def _retire(run: Run, step: Retire) -> str:
    if not step.keep_warm_ms:
        return await settle(run, step)
    await run.record(Due(target=step.target, revision=step.revision, at_ms=run.wall_ms() + step.keep_warm_ms))
    return f"kept warm for {step.keep_warm_ms / 1000:g} s"


async def _promote(run: Run, step: Promote) -> str:
    for target, _ in step.targets:
        await settle_mark(run, step, run.history.plan.base(target))
    return "promoted"


async def _verify(run: Run, step: Verify) -> str:
    """Ask every check at once; all must pass."""
    base = run.history.plan.base(step.target)
    results: dict[int, CheckResult] = {}

    async def one(index: int, check: Check) -> None:
        try:
            results[index] = await ask(run, check, base, step.revision)
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - a check is anybody's code: whatever it raises is the verdict `error`
            results[index] = fault(error)

    with anyio.move_on_after(step.deadline_ms / 1000) as scope:
        async with anyio.create_task_group() as tasks:
            for index, check in enumerate(step.checks):
                tasks.start_soon(one, index, check)
            while len(results) < len(step.checks):
                if run.control.stopped is not None:
                    scope.cancel()
                await run.control.wait(_LOOK)
    run.control.check()
    return await _verified(run, step, results)


async def _verified(run: Run, step: Verify, results: dict[int, CheckResult]) -> str:
    late = CheckResult(Verdict.ERROR, f"no answer within {step.deadline_ms / 1000:g} s")
    failures: list[str] = []
    for index, check in enumerate(step.checks):
        result = results.get(index, late)
        name = f"{step.id}:{getattr(check, 'name', check.kind)}"
        action = Action.CONTINUE if result.healthy else Action.ROLLBACK
        await run.record(Judged(guard=name, verdict=result.verdict, action=action, message=result.message))
        if not result.healthy:
            failures.append(f"{name}: {result.verdict}: {result.message}")
    if failures:
        raise StepFailed(failures[0], tuple(failures))
    return f"{len(step.checks)} checks pass"


async def _job(run: Run, step: RunJob) -> str:
    base = run.history.plan.base(step.target)
    release = run.history.plan.releases.get(step.revision)
    if release is None:
        msg = f"job {step.job.name!r} cannot run: the plan does not hold the release of {step.revision!r}"
        raise StepFailed(msg)

    def ask(fence: Fence) -> Awaitable[JobState]:
        return run.backend(base).execute(base.target, step.revision, release, step.job, fence)

    state = await followed(run, step, f"job {step.job.name!r}", ask)
    if state.phase == "failed":
        raise StepFailed(f"job {step.job.name!r} failed with exit code {state.exit_code}", state.output)
    return f"job {step.job.name!r} succeeded"

"""What programs are doing when they die: every strategy, the way back, and what follows a rollout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from fairdeploy.model import AwaitReady, Capability, Delegate, Intended, RunJob
from fairdeploy.strategies import BlueGreen, Canary, Delegated, Recreate, Rolling
from fairdeploy.testing.crash.house import Furnished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fairdeploy.engine import Deployer
    from fairdeploy.model import Deployment, Plan, Release, Target
    from fairdeploy.protocols import Strategy
    from fairdeploy.testing.crash.house import CrashHouse

    Deed = Callable[[Deployer, CrashHouse, str], Awaitable[object]]

__all__ = ["NATIVE", "STORIES", "Story", "first", "stories_of"]

_MOMENT = 0.1
"""Seconds of each bake: long enough to be a step, short enough for a thousand runs."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One thing that a program does.

    Args:
        deed: Does it, with a deployer, in a house, for a version.
        before: What has to be there first; done by another program that does not die.
        downtime: Whether requests are lost by design.
        attention: Whether it may end with a person being asked.
    """

    deed: Deed
    before: Deed | None = None
    downtime: bool = False
    attention: bool = False


def _deploying(strategy: Strategy) -> Deed:
    async def deed(deployer: Deployer, house: CrashHouse, version: str) -> None:
        await deployer.deploy(house.target, house.release(version), strategy)

    return deed


@final
@dataclass(frozen=True, slots=True)
class _Quickest:
    """Whatever brings a release up soonest: the platform by itself, where it does that, else blue-green."""

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        by = (
            Delegated(analysis=())
            if Capability.DELEGATED in capabilities
            else BlueGreen(watch=0, keep_warm=0, preview_header=None, analysis=())
        )
        return by.plan(release, target, deployment, capabilities)


_QUICK = _Quickest()
_CANARY = Canary(steps=(25, 100), bake=_MOMENT, keep_warm=0, analysis=())


async def first(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Deploy what is there when a story begins."""
    await deployer.deploy(house.target, house.release(version), _QUICK)


async def _aborted(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Deploy by canary, and send it back at its first share."""
    plan = await deployer.plan(house.target, house.release(version), replace(_CANARY, bake=60))
    async with deployer.run(plan) as rollout:
        async for event in rollout.events():
            if isinstance(event.record, Intended) and event.record.step == "bake-25":
                await rollout.abort("to see the way back")
        await rollout.result()


async def _with_a_job(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Deploy, and run a job once the new revision is ready."""
    release = house.release(version)
    plan = await deployer.plan(house.target, release, _QUICK)
    if (job := house.job(version)) is not None:
        place = next(i for i, step in enumerate(plan.steps) if isinstance(step, AwaitReady | Delegate)) + 1
        step = RunJob("job", target=house.target.id, revision=release.revision, job=job)
        plan = replace(plan, steps=(*plan.steps[:place], step, *plan.steps[place:]))
    async with deployer.run(plan) as rollout:
        await rollout.result()


async def _back(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Go back to the revision before."""
    await deployer.rollback(house.target, reason=version)


async def _something_to_leave(deployer: Deployer, house: CrashHouse, version: str) -> None:
    """Have a verified revision before the present one: a rollback condemns what it has left."""
    ended = [info for info in await deployer.history(house.target) if info.result and info.result.promoted]
    verified = 0
    for info in reversed(ended):
        if info.plan.strategy == "Rollback":
            break
        verified += 1
    for number in range(verified, 2):
        await first(deployer, house, f"{version}-{number}")


STORIES: Mapping[str, Story] = {
    "canary": Story(deed=_deploying(_CANARY)),
    "blue-green": Story(
        deed=_deploying(BlueGreen(watch=_MOMENT, keep_warm=0, preview_header=None, analysis=()))
    ),
    "rolling": Story(deed=_deploying(Rolling(max_surge=1, analysis=()))),
    "recreate": Story(deed=_deploying(Recreate(watch=_MOMENT, analysis=())), downtime=True),
    "abort": Story(deed=_aborted),
    "rollback": Story(deed=_back, before=_something_to_leave),
    "job": Story(deed=_with_a_job),
}
"""By name, as the matrix has them."""
NATIVE: Mapping[str, Story] = {
    "delegated": Story(deed=_deploying(Delegated(watch=_MOMENT, analysis=()))),
    **{name: STORIES[name] for name in ("rollback", "job")},
}
"""What can be done where the platform replaces instances by itself (`Delegated`)."""


def stories_of(house: CrashHouse) -> Mapping[str, Story]:
    """Return what can be done in a house: `STORIES`, `NATIVE`, and those that it brings itself."""
    return {**STORIES, **NATIVE, **(house.stories if isinstance(house, Furnished) else {})}

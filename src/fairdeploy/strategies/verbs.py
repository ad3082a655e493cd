"""Plans for what is no new release: another number, a restart, the way back to an earlier revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    Action,
    AwaitReady,
    Capability,
    Check,
    Deployment,
    Plan,
    Promote,
    Release,
    RevisionId,
    RouterSource,
    Scale,
    Source,
    Split,
    Target,
    Undecided,
    _check,
)
from fairdeploy.strategies._arguments import Duration, duration, ms
from fairdeploy.strategies._notes import compose
from fairdeploy.strategies._scene import Scene, drain, finish, present, raise_to, scene, shift, verify
from fairdeploy.strategies._shortcuts import quiet, scaled, settled
from fairdeploy.strategies.capabilities import refuse_unsupported
from fairdeploy.strategies.delegated import handed_over

if TYPE_CHECKING:
    from fairdeploy.model import Step

__all__ = ["restart_plan", "rollback_plan", "scale_plan"]

_EVERYTHING = frozenset(Capability)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Haste:
    """How a rollback goes: nothing is watched, everything has a deadline."""

    keep_warm: Duration
    ready_deadline: Duration
    min_ready: Duration = timedelta(0)
    verify: tuple[Check, ...] = ()
    analysis: tuple[Check, ...] = ()
    on_no_data: Action = Action.CONTINUE
    every: Duration = timedelta(seconds=1)
    failures: int = 1
    source: Source = RouterSource()
    undecided: Undecided = Undecided()
    on_crash: Literal["undo", "resume"] = "undo"


def scale_plan(
    target: Target, deployment: Deployment, replicas: int, *, release: Release | None = None
) -> Plan:
    """Return the plan that brings stable to another number of instances, and changes nothing else.

    Instances that are too many finish their requests before they are stopped.

    Args:
        target: Where.
        deployment: What is there.
        replicas: Instances wanted, at least 1.
        release: The stable release, so that the plan can be carried out by whoever reads it.

    Raises:
        InvalidInput: If nothing is deployed, or the number is out of range.
    """
    _stable(target, deployment, "scale")
    _check.whole(replicas, "replicas", low=1, high=10_000)
    return scaled(target, deployment, replicas, release)


def restart_plan(
    target: Target,
    deployment: Deployment,
    release: Release,
    *,
    batch: int = 1,
    surge: bool = True,
    ready_deadline: Duration = 300,
    min_ready: Duration = 0,
) -> Plan:
    """Return the plan that replaces every instance of stable by a new one of the same release.

    Each batch starts new instances, waits until they are ready, takes as many of the oldest
    out of the router (those that are not ready first), and stops them once their requests have
    ended. Every step names a number, so a step that is carried out twice does nothing more.

    Args:
        target: Where.
        deployment: What is there.
        release: The stable release.
        batch: Instances replaced at a time.
        surge: Start the new ones first; else the old ones are stopped first, and that many are
            missing meanwhile.
        ready_deadline: Longest time for a batch to get ready, a ``timedelta`` or seconds.
        min_ready: How long it must have stayed ready, a ``timedelta`` or seconds.

    Raises:
        InvalidInput: If the release is not the stable one, or a number is out of range.
    """
    stable = _stable(target, deployment, "restart")
    if release.revision != stable:
        msg = (
            f"restart replaces instances of {stable!r}, but {release.revision!r} was given: deploy it instead"
        )
        raise InvalidInput(msg)
    _check.whole(batch, "batch", low=1)
    deadline = ms(duration(ready_deadline, "ready_deadline", low=1))
    stay = ms(duration(min_ready, "min_ready"))
    size = present(deployment, stable)

    def ready(name: str) -> AwaitReady:
        return AwaitReady(name, target=target.id, revision=stable, deadline_ms=deadline, min_ready_ms=stay)

    def scale(name: str, replicas: int) -> Scale:
        return Scale(name, target=target.id, revision=stable, replicas=replicas, deadline_ms=deadline)

    steps: list[Step] = []
    for number, done in enumerate(range(0, size, batch), 1):
        some = min(batch, size - done)
        if surge:
            steps += [scale(f"grow-{number}", size + some), ready(f"ready-{number}")]
            steps += [drain(target, f"drain-{number}", stable, size), scale(f"shrink-{number}", size)]
        else:
            # `Scale` stops what was drained and brings the number back in one effect.
            steps += [drain(target, f"drain-{number}", stable, size - some)]
            steps += [scale(f"renew-{number}", size), ready(f"ready-{number}")]
    return quiet(target, deployment, steps, release, "Restart")


def rollback_plan(
    target: Target,
    deployment: Deployment,
    release: Release,
    *,
    keep_warm: Duration = 0,
    ready_deadline: Duration = 300,
    checks: Sequence[Check] = (),
    capabilities: frozenset[Capability] = _EVERYTHING,
) -> Plan:
    """Return the plan that goes back to an earlier release at once, warm or cold.

    The traffic moves as soon as the earlier revision has ready capacity for all of it. Nothing
    is baked, and no analysis is asked: whoever goes back has reasons.

    Args:
        target: Where.
        deployment: What is there.
        release: The earlier release.
        keep_warm: How long the revision that is left stays, a ``timedelta`` or seconds.
        ready_deadline: Longest time for instances to get ready, a ``timedelta`` or seconds.
        checks: What the earlier revision's instances are asked before they get traffic; by default nothing.
        capabilities: Of the backend.

    Raises:
        InvalidInput: If a value is out of range.
        UnsupportedCapability: If the backend cannot carry it out.
    """
    haste = _Haste(
        keep_warm=duration(keep_warm, "keep_warm"),
        ready_deadline=duration(ready_deadline, "ready_deadline", low=1),
    )
    of = scene(release, target, deployment, capabilities)
    if of.candidate == of.stable:
        plan = settled(of)
        refuse_unsupported(plan, capabilities)
        return plan
    if Capability.REVISIONS not in capabilities and Capability.DELEGATED in capabilities:
        return _handed_back(of, haste, checks)
    steps = raise_to(of, haste, max(of.warm, of.replicas), ("start", "ready"), first=True)
    if checks:
        steps.append(verify(of, checks))
    if of.routed:
        steps.append(shift(of, "shift", Split.all_to(of.candidate)))
    steps += finish(of, ms(haste.keep_warm), left=of.standing)
    risk = "data that only the later release understands; the earlier one must be able to live with it."
    return compose(of, haste, "Rollback", steps, risks=[risk])


def _handed_back(of: Scene, haste: _Haste, checks: Sequence[Check]) -> Plan:
    """Return the plan by which the platform goes back itself: new instances first, none missing meanwhile."""
    steps: list[Step] = [handed_over(of, haste.ready_deadline, haste.min_ready, max(1, of.replicas), 0)]
    steps += [verify(of, checks)] if checks else []
    steps.append(Promote("promote", targets=((of.id, of.candidate),)))
    risk = "data that only the later release understands; the earlier one must be able to live with it."
    return compose(of, haste, "Rollback", steps, risks=[risk])


def _stable(target: Target, deployment: Deployment, verb: str) -> RevisionId:
    if deployment.target != target.id:
        msg = f"the deployment is of {deployment.target!r}, not of {target.id!r}: observe the target and plan again"
        raise InvalidInput(msg)
    if deployment.stable is None:
        msg = f"there is nothing to {verb} in {target.id!r}: deploy a release first"
        raise InvalidInput(msg)
    return deployment.stable

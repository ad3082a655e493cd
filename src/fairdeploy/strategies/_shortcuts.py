"""Plans that are the same whatever the strategy: first deploys, and what runs already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model import AwaitReady, Plan, Scale, Shift, Split
from fairdeploy.model._words import count
from fairdeploy.strategies._arguments import ms
from fairdeploy.strategies._notes import compose, peak, releases
from fairdeploy.strategies._scene import base, drain, finish, present, raise_to, shift, verify

if TYPE_CHECKING:
    from fairdeploy.model import Deployment, Release, RevisionId, Step, Target
    from fairdeploy.strategies._arguments import Settings
    from fairdeploy.strategies._scene import Scene


def shortcut(of: Scene, settings: Settings, *, exclusive: bool = False) -> Plan | None:
    """Return the plan that needs no strategy, or ``None`` if one is needed.

    A strategy protects what serves. Where nothing does, the candidate gets everything once it
    is verified, as in Argo Rollouts; where the release is stable already, nothing but its
    number and its traffic can be wrong.

    Args:
        of: Where the plan begins.
        settings: The strategy's.
        exclusive: Whether old and new must not run together, even without traffic.
    """
    if of.candidate == of.stable:
        return settled(of)
    silent = of.routed and of.deployment.split is None and not exclusive
    if of.stable is None or not of.standing or silent:
        return _first(of, settings)
    return None


def _first(of: Scene, settings: Settings) -> Plan:
    steps = raise_to(of, settings, max(of.replicas, of.warm), ("start", "ready"), first=True)
    steps.append(verify(of, settings.verify))
    if of.routed:
        steps.append(shift(of, "shift", Split.all_to(of.candidate)))
    steps += finish(of, ms(settings.keep_warm), left=of.standing)
    risk = "nothing serves now, so the strategy's steps are left out: the release gets all traffic once verified."
    return compose(of, settings, "First deploy", steps, risks=[risk], restarts=of.stable is not None)


def settled(of: Scene) -> Plan:
    """Return the plan for a release that is stable already."""
    wrong = of.routed and of.deployment.split != Split.all_to(of.candidate)
    steps = [*_more(of.target, of.candidate, of.standing, of.replicas)]
    if wrong:
        if not steps:
            steps.append(AwaitReady("ready", target=of.id, revision=of.candidate))
        steps.append(Shift("shift", target=of.id, split=Split.all_to(of.candidate)))
    steps += _fewer(of.target, of.candidate, of.standing, of.replicas)
    return quiet(of.target, of.deployment, steps, of.release)


def scaled(target: Target, deployment: Deployment, replicas: int, release: Release | None) -> Plan:
    """Return the plan that changes nothing but the number of stable's instances."""
    stable = deployment.stable or ""
    have = present(deployment, stable)
    steps = [*_more(target, stable, have, replicas), *_fewer(target, stable, have, replicas)]
    return quiet(target, deployment, steps, release)


def _more(target: Target, revision: RevisionId, have: int, want: int) -> list[Step]:
    if want <= have:
        return []
    return [
        Scale("scale", target=target.id, revision=revision, replicas=want),
        AwaitReady("ready", target=target.id, revision=revision),
    ]


def _fewer(target: Target, revision: RevisionId, have: int, want: int) -> list[Step]:
    if want >= have:
        return []
    return [
        drain(target, "drain", revision, want),
        Scale("scale", target=target.id, revision=revision, replicas=want),
    ]


def quiet(
    target: Target, deployment: Deployment, steps: list[Step], release: Release | None, name: str = ""
) -> Plan:
    """Put together a plan that changes no stable mark."""
    on = base(target, deployment, None)
    stable = deployment.stable
    now = count(present(deployment, stable), "instance")
    if not steps:
        note = f"Nothing to do: {stable} is stable already, with {now} and its traffic."
        return Plan("Unchanged", bases=(on,), releases=releases(release), notes=(note,))
    notes = (
        f"Capacity: {count(peak(deployment, steps), 'instance')} at the peak, {now} of {stable} now.",
        "Time: as long as instances take to start and drain.",
        f"Way back: {stable} stays stable throughout; it is brought back to {now}.",
    )
    shrinks = any(isinstance(step, Scale) for step in steps)
    name = name or ("Scale" if shrinks else "Restore traffic")
    return Plan(name, bases=(on,), releases=releases(release), steps=tuple(steps), notes=notes)

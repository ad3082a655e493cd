"""What a step needs next, from one look at its target. Pure; asked before an effect, after it, and after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TypeAlias, assert_never, final

from fairdeploy.engine.world import Seen, wanted_routes
from fairdeploy.model import (
    MATCH_STABLE,
    WHOLE,
    AwaitReady,
    Base,
    Drain,
    Instance,
    InstanceId,
    Plan,
    Promote,
    Retire,
    RevisionId,
    Routes,
    Scale,
    Shift,
    Start,
    TargetId,
)

__all__ = [
    "Decision",
    "Done",
    "Effect",
    "Ensure",
    "Failed",
    "Forget",
    "Mark",
    "Observable",
    "Quiesce",
    "Remove",
    "Route",
    "Situation",
    "Wait",
    "decide",
    "decide_mark",
    "surplus",
]

_CRASHES = 3
"""Restarts after which an instance that never became ready is given up (Kubernetes shows CrashLoopBackOff by then)."""


@final
@dataclass(frozen=True, slots=True)
class Ensure:
    """`Backend.ensure`."""

    revision: RevisionId
    replicas: int
    drained: frozenset[InstanceId] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class Quiesce:
    """`Backend.quiesce`."""

    instances: frozenset[InstanceId]


@final
@dataclass(frozen=True, slots=True)
class Remove:
    """`Backend.remove`."""

    revision: RevisionId


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """`Backend.promote`."""

    revision: RevisionId


@final
@dataclass(frozen=True, slots=True)
class Route:
    """`TrafficRouter.apply`."""

    routes: Routes


@final
@dataclass(frozen=True, slots=True)
class Forget:
    """`TrafficRouter.remove`."""


Effect: TypeAlias = Ensure | Quiesce | Remove | Mark | Route | Forget
"""One short call to a backend or router."""


@final
@dataclass(frozen=True, slots=True)
class Done:
    """Observed, provided that it stays so for ``steady_ms``."""

    detail: str = ""
    steady_ms: int = 0


@final
@dataclass(frozen=True, slots=True)
class Wait:
    """Asked for, but not observed yet. ``overdue_ms``: after so long the step is done all the same."""

    message: str
    overdue_ms: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Failed:
    """It will not come about."""

    message: str


Decision: TypeAlias = Done | Wait | Failed | Effect
"""What to do now. An effect is applied again, with the same key, until something else is decided."""

Observable: TypeAlias = Start | Scale | AwaitReady | Shift | Drain | Retire
"""Steps whose end can be seen on one target. (`Promote` is decided per target by `decide_mark`.)"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision may depend on besides what is seen.

    Args:
        plan: The plan.
        base: Of the step's target.
        rule: The routing rule in force for the target.
        backwards: Whether this is the way back.
        routed: Whether a router serves this target.
    """

    plan: Plan
    base: Base
    rule: Shift | None
    backwards: bool = False
    routed: bool = True


def decide(step: Observable, situation: Situation, seen: Seen) -> Decision:
    """Return what a step needs next."""
    match step:
        case Start() | Scale():
            return _raised(step, situation, seen)
        case AwaitReady():
            return _ready(step, situation, seen)
        case Shift():
            return _shifted(step, situation, seen)
        case Drain():
            return _drained(step, situation, seen)
        case Retire():
            return _retired(step, seen)
        case _:
            assert_never(step)


def decide_mark(step: Promote, target: TargetId, seen: Seen) -> Decision:
    """Return what a promotion needs on one of its targets."""
    revision = dict(step.targets)[target]
    return Done() if seen.deployment.stable == revision else Mark(revision)


def _raised(step: Start | Scale, situation: Situation, seen: Seen) -> Decision:
    revision = seen.revision(step.revision)
    wanted = _count(step.replicas, situation.base, seen)
    # The way back raises first, and stops what quiesces only after it has drained it: it may still be busy.
    spared = situation.backwards and isinstance(step, Start)
    leaving = frozenset() if spared else frozenset(instance.id for instance in revision.quiescing)
    if leaving or len(revision.active) < wanted or revision.replicas < wanted:
        return Ensure(step.revision, wanted, leaving)
    return Done(f"{len(revision.active)} instances")


def _count(replicas: int | str, base: Base, seen: Seen) -> int:
    if replicas == MATCH_STABLE:
        return max(1, len(seen.revision(base.stable).active) if base.stable else base.replicas)
    return int(replicas)


def _ready(step: AwaitReady, situation: Situation, seen: Seen) -> Decision:
    revision = seen.revision(step.revision)
    for instance in revision.active:
        failed = _hopeless(instance)
        if failed:
            return failed
    wanted = max(1, revision.replicas)
    if len(revision.active) < revision.replicas:
        return Ensure(step.revision, revision.replicas)  # one has died for good since it was started
    release = situation.plan.releases.get(step.revision)
    if not situation.routed or (release is not None and not release.serves):
        if len(revision.ready) >= wanted:
            return Done(f"{len(revision.ready)} ready", step.min_ready_ms)
        return Wait(_unready(revision.active, len(revision.ready), wanted))
    routes = _members_kept(situation, seen)
    if seen.traffic is None or seen.traffic.written != routes:
        return Route(routes)
    if len(revision.ready) < wanted:
        return Wait(_unready(revision.active, len(revision.ready), wanted))
    unseen = [i.id for i in revision.ready if i.id not in seen.traffic.healthy]
    if unseen or not seen.traffic.acknowledged:
        return Wait(
            f"{len(revision.ready)} of {wanted} ready; the router does not yet see {unseen or 'its document'}"
        )
    return Done(f"{len(revision.ready)} ready, seen by the router", step.min_ready_ms)


def _members_kept(situation: Situation, seen: Seen) -> Routes:
    """Return the document with the present members under the rule in force.

    On the way back that is the rule that was written: the one last intended may never have
    been, and must not come into force now.
    """
    rule, written = situation.rule, seen.traffic.written if seen.traffic else None
    if situation.backwards and written is not None:
        rule = Shift(
            "",
            target=situation.base.target.id,
            split=written.split,
            headers=written.headers,
            mirror=written.mirror,
        )
    return wanted_routes(situation.plan, situation.base, rule, seen)


def _hopeless(instance: Instance) -> Failed | None:
    if instance.ready or instance.state == "running":
        return None
    # One that takes longer than its keeper's patience to exit is never seen between two starts.
    ends = instance.restarts + (instance.state == "backoff")
    if instance.state == "exited" or ends > _CRASHES:
        detail = instance.detail or instance.state
        return Failed(
            f"instance {instance.id!r} does not come up ({detail}, restarted {instance.restarts} times)"
        )
    return None


def _unready(instances: tuple[Instance, ...], ready: int, wanted: int) -> str:
    details = sorted({i.detail or i.state for i in instances if not i.ready})
    return f"{ready} of {wanted} ready" + (f": {', '.join(details)}" if details else "")


def _shifted(step: Shift, situation: Situation, seen: Seen) -> Decision:
    nothing_left = situation.backwards and situation.base.stable is None and step.split is None
    if nothing_left and not seen.deployment.revisions:
        return Done("nothing to route") if seen.traffic is None or seen.traffic.written is None else Forget()
    if not situation.backwards and (lack := _lack(step, situation, seen)) is not None:
        return lack
    routes = wanted_routes(situation.plan, situation.base, step, seen)
    if seen.traffic is None or seen.traffic.written != routes:
        return Route(routes)
    if not seen.traffic.acknowledged:
        return Wait("the router has not yet taken the document")
    return Done(str(step.split) if step.split else "no traffic")


def _lack(step: Shift, situation: Situation, seen: Seen) -> Decision | None:
    """Return what is needed first, if a revision that is to get more has lost capacity since it was ready."""
    if step.split is None or seen.traffic is None:
        return None
    before, size = seen.traffic.split, situation.base.target.replicas or 1
    for revision, share in step.split.shares.items():
        if before is not None and share <= before.share(revision):
            continue
        now = seen.revision(revision)
        # A share is rounded to basis points: a hundredth of an instance is no lack.
        wanted = max(1, min(now.replicas, ceil(share * size / WHOLE - 0.01)))
        able = [instance for instance in now.ready if instance.id in seen.traffic.healthy]
        if len(able) < wanted and len(now.active) < now.replicas:
            return Ensure(revision, now.replicas)
        if len(able) < wanted:
            return Wait(f"{revision} has {len(able)} of {wanted} instances ready for {share / 100:g} %")
    return None


def surplus(step: Drain, seen: Seen) -> frozenset[InstanceId]:
    """Return which instances a partial drain still has to take out: those not ready first, then the oldest."""
    active = seen.revision(step.revision).active
    count = max(0, len(active) - (step.keep or 0))
    ordered = sorted(enumerate(active), key=lambda item: (item[1].ready, item[0]))
    return frozenset(instance.id for _, instance in ordered[:count])


def _drained(step: Drain, situation: Situation, seen: Seen) -> Decision:
    revision = seen.revision(step.revision)
    if step.keep is None:
        leaving = revision.instances
    else:
        chosen = surplus(step, seen)
        # The way back stops what the plan itself has added to stable, and nothing that others have.
        if chosen and (not situation.backwards or _adds_to_stable(situation)):
            return Quiesce(chosen)
        leaving = revision.quiescing
        if situation.routed:
            routes = _members_kept(situation, seen)
            if seen.traffic is None or seen.traffic.written != routes:
                return Route(routes)
            if not seen.traffic.acknowledged:
                return Wait("the router has not yet taken the document")
    return _emptied(step, leaving, seen)


def _adds_to_stable(situation: Situation) -> bool:
    base = situation.base
    return any(
        isinstance(step, (Start, Scale)) and step.target == base.target.id and step.revision == base.stable
        for step in situation.plan.steps
    )


_ZERO_READS_MS = 200
"""How long nothing may be in flight before that is believed: a request on its retry is in no gauge of Envoy's."""


def _emptied(step: Drain, leaving: tuple[Instance, ...], seen: Seen) -> Decision:
    busy = (*(instance.id for instance in leaving), *seen.unlisted)
    if not busy or seen.traffic is None:
        return Done("nothing in flight")
    count = seen.in_flight(busy)
    if count is None:
        return Wait("in flight unknown: waiting by the clock", step.requests_ms)
    if count == 0:
        return Done("nothing in flight", _ZERO_READS_MS)
    streams = min(count, seen.traffic.streams or 0)
    # While upgraded connections are left, theirs is the deadline that counts.
    limit = max(step.streams_ms, step.requests_ms) if streams else step.requests_ms
    return Wait(f"{count} in flight" + (f", {streams} of them streams" if streams else ""), limit)


def _retired(step: Retire, seen: Seen) -> Decision:
    if seen.deployment.revision(step.revision) is None:
        return Done("gone")
    return Remove(step.revision)

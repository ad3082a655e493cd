"""Replace instances batch by batch, within bounds on how many are there and how many are ready."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    WHOLE,
    Action,
    Capability,
    Check,
    Deployment,
    ErrorRate,
    Plan,
    Release,
    RouterSource,
    Scale,
    Shift,
    Source,
    Split,
    Target,
    Undecided,
)
from fairdeploy.model._words import count
from fairdeploy.strategies._arguments import Duration, bound, duration, ms, settle
from fairdeploy.strategies._notes import compose
from fairdeploy.strategies._scene import Scene, bake, drain, finish, raise_to, scene, shift, steady, verify
from fairdeploy.strategies._shortcuts import shortcut

if TYPE_CHECKING:
    from fairdeploy.model import Step

__all__ = ["Rolling"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """Instances are replaced batch by batch; traffic follows their numbers.

    The bounds are those of a Kubernetes Deployment: never more than ``replicas + max_surge``
    instances, never fewer than ``replicas - max_unavailable`` ready. What the bound on surge
    allows of the old revision stays until the promotion, without traffic, for going back.

    Durations are a ``timedelta`` or a number of seconds.

    Args:
        max_surge: Instances above the wanted number, or a percentage of it such as ``"25%"``, rounded up.
        max_unavailable: Instances that may be missing, or a percentage, rounded down. If both
            bounds come out as 0 for a target, one instance may be missing, as in Kubernetes.
        min_ready: How long new instances must have stayed ready before the next batch.
        verify: Checks on the first batch's own addresses before it gets traffic.
        watch: Time to watch after the last batch, before the promotion.
        analysis: What convicts the candidate while it has traffic. Error rate and latency need a
            router that counts; where none does, a note of the plan says that they are left out.
        keep_warm: How long what is left of the old revision stays after the promotion.
        ready_deadline: Longest time for a batch to get ready; then it goes back.
        on_no_data: What follows while there are too few requests to judge.
        every: Time between two looks of the analysis, at least 10 ms.
        failures: Failing looks in a row that convict; comparisons need one.
        source: Where requests are counted: the router, or `PrometheusSource`, or `BoundSource`.
        undecided: What follows where a comparison has not decided when the whole bake is over.
        on_crash: ``undo`` goes back if the deploying program dies, ``resume`` goes on.

    Raises:
        InvalidInput: If a value is out of range, or both bounds are 0: nothing could move.
    """

    max_surge: int | str = "25%"
    max_unavailable: int | str = 0
    min_ready: Duration = timedelta(0)
    verify: Sequence[Check] = ()
    watch: Duration = timedelta(0)
    analysis: Sequence[Check] = (ErrorRate(),)
    keep_warm: Duration = timedelta(0)
    ready_deadline: Duration = timedelta(minutes=5)
    on_no_data: Action = Action.CONTINUE
    every: Duration = timedelta(seconds=1)
    failures: int = 1
    source: Source = RouterSource()
    undecided: Undecided = Undecided()
    on_crash: Literal["undo", "resume"] = "undo"

    def __post_init__(self) -> None:
        """Prove bounds and durations."""
        settle(self)
        object.__setattr__(self, "watch", duration(self.watch, "watch"))
        surge = bound(self.max_surge, WHOLE, "max_surge", up=True)
        missing = bound(self.max_unavailable, WHOLE, "max_unavailable", up=False)
        if isinstance(self.max_unavailable, str) and missing > WHOLE:
            msg = f"max_unavailable {self.max_unavailable!r} must be at most '100%'"
            raise InvalidInput(msg)
        if not surge and not missing:
            msg = (
                f"max_surge {self.max_surge!r} and max_unavailable {self.max_unavailable!r} cannot both be 0: "
                "no instance could ever be replaced; give max_surge=1, say"
            )
            raise InvalidInput(msg)

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the plan that replaces what runs by ``release``, batch by batch.

        Raises:
            UnsupportedCapability: If instances cannot be started and stopped one by one here.
            InvalidInput: If the deployment is another target's.
        """
        of = scene(release, target, deployment, capabilities)
        if short := shortcut(of, self):
            return short
        surge = bound(self.max_surge, of.replicas, "max_surge", up=True)
        missing = min(of.replicas, bound(self.max_unavailable, of.replicas, "max_unavailable", up=False))
        missing = missing if surge or missing else 1
        steps = [*steady(of, self), *_once(_batches(of, self, surge, missing), deployment.split)]
        risks = _risks(of, steps, surge, missing)
        steps += bake(of, "watch", ms(self.watch))
        steps += finish(of, ms(self.keep_warm), left=_left(of, steps))
        return compose(of, self, "Rolling", steps, risks=risks, restarts=True)


def _batches(of: Scene, settings: Rolling, surge: int, missing: int) -> Iterator[Step]:
    """Yield the batches until the candidate has all instances and all traffic.

    Each raises the new revision as far as the surge allows, gives it traffic by its number,
    and takes out as many old instances as are not needed: all but those that must be ready,
    and those that may stand idle until the promotion.
    """
    new, old, batch = of.warm, of.standing, 0
    idle = min(surge, old)
    started = False
    while not started or new < of.replicas:
        batch += 1
        grown = max(new, min(of.replicas, of.replicas + surge - old))
        if grown > new or (grown and not started):
            yield from _grow(of, settings, grown, batch, first=not started)
            new, started = grown, True
        after = old if new >= of.replicas else min(old, max(of.replicas - missing - new, idle))
        if after < old:
            if of.routed:
                yield shift(of, f"shift-{batch}", _split(of, new, after))
            yield drain(of.target, f"drain-{batch}", of.old, after)
            yield Scale(f"shrink-{batch}", target=of.id, revision=of.old, replicas=after)
            old = after
    if of.routed:
        yield shift(of, "shift-all", Split.all_to(of.candidate))


def _grow(of: Scene, settings: Rolling, replicas: int, batch: int, *, first: bool) -> Iterator[Step]:
    name = "start" if first else f"grow-{batch}"
    yield from raise_to(of, settings, replicas, (name, f"ready-{batch}"), first=first)
    if first:
        yield verify(of, settings.verify)


def _split(of: Scene, new: int, old: int) -> Split | None:
    """Return traffic by number of instances, rounded in favour of the old ones; ``None`` if there are none."""
    if not new and not old:
        return None
    return Split.between(of.old, of.candidate, WHOLE * new // (new + old))


def _once(steps: Iterator[Step], split: Split | None) -> Iterator[Step]:
    """Yield the steps without shifts to the split that is in force already."""
    for step in steps:
        if isinstance(step, Shift):
            if step.split == split:
                continue
            split = step.split
        yield step


def _left(of: Scene, steps: Sequence[Step]) -> int:
    """Return how many old instances there are after the steps."""
    sizes = [s.replicas for s in steps if isinstance(s, Scale) and s.revision == of.old]
    last = sizes[-1] if sizes else of.standing
    return last if isinstance(last, int) else of.standing


def _risks(of: Scene, steps: Sequence[Step], surge: int, missing: int) -> list[str]:
    risks = ["old and new serve side by side from the first batch on: both must understand the same data."]
    if missing:
        fewest = of.replicas - missing
        risks.append(
            f"as few as {count(fewest, 'instance')} may be ready meanwhile, of {of.replicas} wanted."
        )
    if any(isinstance(step, Shift) and step.split is None for step in steps) or of.replicas == missing:
        risks.append(
            "there IS downtime: every instance may be missing at once; give max_surge=1 to avoid it."
        )
    if not surge:
        risks.append("no room above the wanted number: going back starts old instances again first.")
    return risks

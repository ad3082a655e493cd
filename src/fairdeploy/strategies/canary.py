"""Give the candidate a growing share of the traffic, and watch it at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    MATCH_STABLE,
    WHOLE,
    Action,
    Capability,
    Check,
    Deployment,
    HeaderRoute,
    Plan,
    Release,
    RouterSource,
    Source,
    Split,
    Target,
    Undecided,
)
from fairdeploy.strategies._arguments import BESIDE_STABLE, Duration, duration, header, ms, settle
from fairdeploy.strategies._notes import compose
from fairdeploy.strategies._scene import Scene, bake, finish, raise_to, scene, shift, steady, verify
from fairdeploy.strategies._shortcuts import shortcut

__all__ = ["Canary", "traffic"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A growing share of the traffic goes to the candidate; stable stays at full size until the promotion.

    The candidate has ready capacity for a share before it gets the share. Workers and other
    releases without a routed endpoint take the same steps by number of instances.

    Durations are a ``timedelta`` or a number of seconds.

    Args:
        steps: Shares in percent, strictly increasing up to 100, as fine as 0.01.
        bake: Time to watch at each share: one duration, or one per share.
        analysis: What convicts the candidate while it has traffic. By default `ErrorComparison` beside
            stable, `ErrorRate` of 20 % for what is broken, and `SampleRatio`, which warns. Several
            comparisons share their α. They need counters; where there are none, a note of the
            plan says that they are left out.
        verify: Checks on the candidate's own addresses before it gets traffic.
        keep_warm: How long the old revision stays after the promotion, ready to take over again.
        ready_deadline: Longest time for instances to get ready; then it goes back.
        min_ready: How long they must have stayed ready.
        smoke_header: Requests with this header (name and value) go to the candidate, from before
            its first share until it has everything.
        dynamic_scale: Let the candidate grow with its share; else it has full size from the start.
        on_no_data: What follows while there are too few requests to judge.
        every: Time between two looks of the analysis, at least 10 ms.
        failures: Failing looks in a row that convict; comparisons need one.
        source: Where requests are counted: the router, or `PrometheusSource`, or `BoundSource`.
        undecided: What follows where a comparison has not decided when the whole bake is over.
        on_crash: ``undo`` goes back if the deploying program dies, ``resume`` goes on.

    Raises:
        InvalidInput: If a value is out of range or the steps do not lead to 100 %.

    Example:
        >>> Canary(steps=[10, 100], bake=[600, 60]).steps
        (10, 100)
    """

    steps: Sequence[float] = (5, 25, 50, 75, 100)
    bake: Duration | Sequence[Duration] = timedelta(minutes=5)
    analysis: Sequence[Check] = BESIDE_STABLE
    verify: Sequence[Check] = ()
    keep_warm: Duration = timedelta(minutes=10)
    ready_deadline: Duration = timedelta(minutes=5)
    min_ready: Duration = timedelta(0)
    smoke_header: tuple[str, str] | None = None
    dynamic_scale: bool = True
    on_no_data: Action = Action.CONTINUE
    every: Duration = timedelta(seconds=1)
    failures: int = 1
    source: Source = RouterSource()
    undecided: Undecided = Undecided()
    on_crash: Literal["undo", "resume"] = "undo"

    def __post_init__(self) -> None:
        """Prove steps and durations."""
        settle(self)
        _shares(self.steps)
        object.__setattr__(self, "steps", tuple(self.steps))
        if isinstance(self.bake, (list, tuple)):
            if len(self.bake) != len(self.steps):
                msg = (
                    f"bake has {len(self.bake)} durations for {len(self.steps)} steps {self.steps!r}: "
                    "give one for all, or one for each"
                )
                raise InvalidInput(msg)
            each = tuple(duration(value, "bake") for value in self.bake)
            object.__setattr__(self, "bake", each)
        else:
            # The union is told apart above; a wrong type is refused by `duration`.
            object.__setattr__(self, "bake", duration(self.bake, "bake"))  # type: ignore[arg-type]  # see above
        object.__setattr__(self, "smoke_header", header(self.smoke_header, "smoke_header"))

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the plan that brings ``release`` to ``target`` step by step.

        Raises:
            UnsupportedCapability: If traffic cannot be split here.
            InvalidInput: If the deployment is another target's.
        """
        of = scene(release, target, deployment, capabilities, switches=True)
        if short := shortcut(of, self):
            return short
        shares, bakes = traffic(self)
        headers = self._headers(of)
        first = max(of.warm, of.share(shares[0])) if self.dynamic_scale else max(of.warm, of.replicas)
        steps = raise_to(of, self, first, ("start", "ready"), first=True)
        if headers:
            steps.append(shift(of, "smoke", of.deployment.split, headers))
        steps.append(verify(of, self.verify))
        steps += steady(of, self, replicas=of.replicas)
        have = first
        for share, pause in zip(shares, bakes, strict=True):
            name = f"{share / 100:g}"
            want = of.full if share == WHOLE else of.share(share)
            if want == MATCH_STABLE or want > have:
                steps += raise_to(of, self, want, (f"scale-{name}", f"ready-{name}"), first=False)
                have = of.replicas if want == MATCH_STABLE else want
            if of.routed:
                split = Split.between(of.old, of.candidate, share)
                steps.append(shift(of, f"shift-{name}", split, headers if share < WHOLE else ()))
            steps += bake(of, f"bake-{name}", pause)
        steps += finish(of, ms(self.keep_warm))
        seen = "visitors of the first share meet a fault before the analysis sees it"
        return compose(of, self, "Canary", steps, risks=[f"{seen}; {_first_words(of, shares[0])}."])

    def _headers(self, of: Scene) -> tuple[HeaderRoute, ...]:
        if self.smoke_header is None or not of.routed:
            return ()
        return (HeaderRoute(*self.smoke_header, of.candidate),)


def traffic(canary: Canary) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the candidate's shares in basis points, and how long each is watched, in milliseconds."""
    if isinstance(canary.bake, tuple):
        return _shares(canary.steps), tuple(ms(value) for value in canary.bake)
    bake_ms = ms(canary.bake)  # type: ignore[arg-type]  # kept as a tuple or one duration
    return _shares(canary.steps), (bake_ms,) * len(canary.steps)


def _first_words(of: Scene, share: int) -> str:
    if of.routed:
        return f"the first share is {share / 100:g} % of the requests"
    return f"the first {of.share(share)} of its instances work beside {of.standing} old ones"


def _shares(steps: Sequence[float]) -> tuple[int, ...]:
    """Return the steps in basis points.

    Raises:
        InvalidInput: If they are no way to 100 %.
    """
    if isinstance(steps, str) or not isinstance(steps, Sequence) or not steps:
        msg = f"steps must be percentages such as (5, 25, 100), not {steps!r}"
        raise InvalidInput(msg)
    shares: list[int] = []
    for step in steps:
        if isinstance(step, bool) or not isinstance(step, (int, float)) or not 0 < step <= 100:
            msg = f"step {step!r} must be a percentage above 0 and at most 100"
            raise InvalidInput(msg)
        share = round(step * 100)
        if abs(share - step * 100) > 1e-6 or not share:
            msg = f"step {step!r} is finer than traffic can be split: round it to 0.01 %"
            raise InvalidInput(msg)
        if shares and share <= shares[-1]:
            msg = f"steps must increase, but {step!r} does not exceed the step before it in {tuple(steps)!r}"
            raise InvalidInput(msg)
        shares.append(share)
    if shares[-1] != WHOLE:
        msg = f"the last step is {steps[-1]!r}, but the candidate must get everything in the end: add 100"
        raise InvalidInput(msg)
    return tuple(shares)

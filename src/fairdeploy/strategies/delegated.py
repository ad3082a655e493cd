"""Let the platform replace instances by its own rolling update; watch it, judge it, and take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import (
    WHOLE,
    Action,
    Capability,
    Check,
    Delegate,
    Deployment,
    ErrorRate,
    Plan,
    Promote,
    Release,
    RouterSource,
    Source,
    Target,
    Undecided,
)
from fairdeploy.strategies._arguments import Duration, bound, duration, ms, settle
from fairdeploy.strategies._notes import compose
from fairdeploy.strategies._scene import Scene, bake, scene, verify
from fairdeploy.strategies._shortcuts import quiet
from fairdeploy.strategies.blue_green import BlueGreen
from fairdeploy.strategies.canary import Canary, traffic as shifts
from fairdeploy.strategies.capabilities import refuse_unsupported

if TYPE_CHECKING:
    from fairdeploy.model import Step

__all__ = ["Delegated", "handed_over"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """The platform rolls out by itself: one call, watched until exactly this revision is whole, undone if not.

    For what somebody else keeps (Argo CD, Flux, Helm), and where the platform's own order of ending instances is
    good enough. It decides when traffic moves: nobody can hold it at a share. Needs a backend that declares
    ``DELEGATED``; with ``traffic``, ``DELEGATED_SHARES``.

    Durations are a ``timedelta`` or a number of seconds.

    Args:
        traffic: Whose shares and bakes the platform is to follow, if it can: `BlueGreen`, or `Canary`. Nothing else of
            it counts: what is verified and analysed is told here. ``None``: the traffic follows the instances.
        max_surge: Instances above the wanted number, or a percentage of it such as ``"25%"``, rounded up.
        max_unavailable: Instances that may be missing, or a percentage, rounded down. If both come out as 0,
            one instance may be missing, as in Kubernetes.
        min_ready: How long new instances must have stayed ready to count.
        verify: Checks on the new instances' own addresses, once all of them serve.
        watch: Time to watch after that, before the promotion.
        analysis: What convicts the candidate from its first instance on. Error rate and latency need a source that
            counts by revision.
        keep_warm: Without effect: the platform remembers the old revision, and starts it again.
        ready_deadline: Longest time for the platform's rollout; then it goes back.
        on_no_data: What follows while there are too few requests to judge.
        every: Time between two looks of the analysis, at least 10 ms.
        failures: Failing looks in a row that convict.
        source: Where requests are counted, such as `PrometheusSource`.
        undecided: What follows where a comparison has not decided; there are none here.
        on_crash: ``undo`` goes back if the deploying program dies, ``resume`` goes on watching.

    Raises:
        InvalidInput: If a value is out of range, both bounds are 0, or ``traffic`` says what the platform would not do.
    """

    traffic: BlueGreen | Canary | None = None
    max_surge: int | str = 2
    max_unavailable: int | str = 1
    min_ready: Duration = timedelta(0)
    verify: Sequence[Check] = ()
    watch: Duration = timedelta(0)
    analysis: Sequence[Check] = (ErrorRate(),)
    keep_warm: Duration = timedelta(0)
    ready_deadline: Duration = timedelta(minutes=10)
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
        if self.traffic is not None and self.traffic.verify:
            msg = "of traffic= shares and bakes count only: give verify= to Delegated itself"
            raise InvalidInput(msg)
        surge = bound(self.max_surge, 100, "max_surge", up=True)
        if not surge and not bound(self.max_unavailable, 100, "max_unavailable", up=False):
            msg = "max_surge and max_unavailable cannot both be 0: no instance could ever be replaced; give max_surge=1"
            raise InvalidInput(msg)

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the plan that hands ``release`` over to the platform.

        Raises:
            UnsupportedCapability: If the platform replaces nothing by itself here.
            InvalidInput: If the deployment is another target's.
        """
        of = scene(release, target, deployment, capabilities)
        missing = bound(self.max_unavailable, of.replicas, "max_unavailable", up=False)
        surge = bound(self.max_surge, of.replicas, "max_surge", up=True)
        step = handed_over(of, self.ready_deadline, self.min_ready, surge, missing)
        if self.traffic is not None and of.stable is not None:
            shares, bakes = _shifts(self.traffic)
            deadline = step.deadline_ms + sum(bakes)
            step = replace(step, shares=shares, bakes_ms=bakes, deadline_ms=deadline)
        if of.candidate == of.stable:
            plan = quiet(
                target, deployment, [] if of.standing == of.replicas else [step], release, "Delegated"
            )
            refuse_unsupported(plan, capabilities)
            return plan
        steps: list[Step] = [step, verify(of, self.verify), *bake(of, "watch", ms(self.watch))]
        steps.append(Promote("promote", targets=((of.id, of.candidate),)))
        risks = [
            "old and new serve side by side as the platform decides: both must understand the same data.",
            "drains are ordered by the platform: an application that exits at once when told to stop loses requests.",
        ]
        return compose(of, self, "Delegated", steps, risks=risks, restarts=True)


def _shifts(like: BlueGreen | Canary) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return shifts(like) if isinstance(like, Canary) else ((WHOLE,), (ms(like.watch),))


def handed_over(of: Scene, deadline: Duration, min_ready: Duration, surge: int, missing: int) -> Delegate:
    """Return the step that hands the candidate over to the platform."""
    return Delegate(
        "delegate",
        target=of.id,
        revision=of.candidate,
        replicas=of.target.replicas,
        max_surge=surge,
        max_unavailable=missing if surge or missing else 1,
        min_ready_ms=ms(min_ready),
        deadline_ms=ms(deadline),
    )

"""Bring the candidate up beside stable, look at it, and switch all traffic at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, final

from fairdeploy.model import (
    MATCH_STABLE,
    Action,
    Capability,
    Check,
    Deployment,
    ErrorRate,
    HeaderRoute,
    Plan,
    Release,
    RouterSource,
    Source,
    Split,
    Target,
    Undecided,
    _check,
)
from fairdeploy.strategies._arguments import Duration, duration, header, ms, settle
from fairdeploy.strategies._notes import compose
from fairdeploy.strategies._scene import Scene, bake, finish, raise_to, scene, shift, verify
from fairdeploy.strategies._shortcuts import shortcut

__all__ = ["BlueGreen"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """All traffic moves at once, after the candidate has been checked at full size; stable stays warm.

    Durations are a ``timedelta`` or a number of seconds.

    Args:
        verify: Checks on the candidate's own addresses before the switch.
        preview_header: Requests with this header (name and value) go to the candidate before the
            switch, where the router can do that. ``None``: no preview.
        preview_replicas: Size of the candidate until it is verified; ``None``: full size at once.
        watch: Time to watch after the switch, before the promotion.
        analysis: What convicts the candidate after the switch. Error rate and latency need a
            router that counts; where none does, a note of the plan says that they are left out.
        keep_warm: How long the old revision stays after the promotion, ready to take over again.
        ready_deadline: Longest time for instances to get ready; then it goes back.
        min_ready: How long they must have stayed ready.
        on_no_data: What follows while there are too few requests to judge.
        every: Time between two looks of the analysis, at least 10 ms.
        failures: Failing looks in a row that convict; comparisons need one.
        source: Where requests are counted: the router, or `PrometheusSource`, or `BoundSource`.
        undecided: What follows where a comparison has not decided when the whole bake is over.
        on_crash: ``undo`` goes back if the deploying program dies, ``resume`` goes on.

    Raises:
        InvalidInput: If a value is out of range.
    """

    verify: Sequence[Check] = ()
    preview_header: tuple[str, str] | None = ("x-fairdeploy-preview", "1")
    preview_replicas: int | None = None
    watch: Duration = timedelta(seconds=30)
    analysis: Sequence[Check] = (ErrorRate(),)
    keep_warm: Duration = timedelta(minutes=10)
    ready_deadline: Duration = timedelta(minutes=5)
    min_ready: Duration = timedelta(0)
    on_no_data: Action = Action.CONTINUE
    every: Duration = timedelta(seconds=1)
    failures: int = 1
    source: Source = RouterSource()
    undecided: Undecided = Undecided()
    on_crash: Literal["undo", "resume"] = "undo"

    def __post_init__(self) -> None:
        """Prove numbers and durations."""
        settle(self)
        object.__setattr__(self, "watch", duration(self.watch, "watch"))
        object.__setattr__(self, "preview_header", header(self.preview_header, "preview_header"))
        if self.preview_replicas is not None:
            _check.whole(self.preview_replicas, "preview_replicas", low=1)

    def plan(
        self, release: Release, target: Target, deployment: Deployment, capabilities: frozenset[Capability]
    ) -> Plan:
        """Return the plan that brings ``release`` up beside what serves, and switches.

        Raises:
            UnsupportedCapability: If traffic cannot be moved here.
            InvalidInput: If the deployment is another target's.
        """
        of = scene(release, target, deployment, capabilities, switches=True)
        if short := shortcut(of, self):
            return short
        small = max(of.warm, self.preview_replicas or 0)
        grows = self.preview_replicas is not None and small < of.replicas
        full = of.full if of.full == MATCH_STABLE else max(of.warm, of.replicas)
        steps = raise_to(of, self, small if grows else full, ("start", "ready"), first=True)
        headers = self._headers(of)
        if headers:
            steps.append(shift(of, "preview", of.deployment.split, headers))
        steps.append(verify(of, self.verify))
        if grows:
            steps += raise_to(of, self, full, ("scale", "ready-full"), first=False)
        if of.routed:
            steps.append(shift(of, "switch", Split.all_to(of.candidate)))
        steps += bake(of, "watch", ms(self.watch))
        steps += finish(of, ms(self.keep_warm))
        seen = "a fault that no check finds meets all visitors at the switch, until the analysis sees it."
        return compose(of, self, "BlueGreen", steps, risks=[seen])

    def _headers(self, of: Scene) -> tuple[HeaderRoute, ...]:
        if self.preview_header is None or not of.routed or Capability.HEADERS not in of.capabilities:
            return ()
        return (HeaderRoute(*self.preview_header, of.candidate),)

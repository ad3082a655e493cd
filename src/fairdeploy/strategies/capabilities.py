"""What a plan needs of a backend, said before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.errors import UnsupportedCapability
from fairdeploy.model import (
    Capability,
    Delegate,
    Drain,
    Plan,
    RouterSource,
    RunJob,
    Scale,
    Shift,
    Start,
    Step,
)
from fairdeploy.model.check import is_counted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["needs", "refuse_unsupported"]

_REMEDIES = {
    Capability.REVISIONS: "use Recreate(), which stops the old revision first",
    Capability.REPLICAS: "give the target replicas=1 and use BlueGreen() or Recreate()",
    Capability.WEIGHTS: "use Rolling() or Recreate(), or a backend whose router splits traffic",
    Capability.DELEGATED: "use Rolling(), which replaces instances step by step",
    Capability.DELEGATED_SHARES: "leave traffic= out: the platform moves it with the instances",
    Capability.HEADERS: "leave the header out (smoke_header=None, preview_header=None)",
    Capability.MIRROR: "leave the mirror out",
    Capability.STICKY: "give the target sticky=False",
    Capability.COUNTERS: "leave ErrorRate and Latency out, and check health instead",
    Capability.TLS: "end TLS in front of the router, and give the target tls=None",
    Capability.JOBS: "run the job yourself before the rollout",
}


def needs(plan: Plan) -> frozenset[Capability]:
    """Return every capability without which the plan cannot be carried out."""
    return frozenset(capability for capability, _ in _needs(plan))


def refuse_unsupported(plan: Plan, capabilities: frozenset[Capability]) -> None:
    """Do nothing if a plan can be carried out with these capabilities.

    Raises:
        UnsupportedCapability: If it cannot; the message names capability, step and remedy.
    """
    if Capability.SWITCHES in capabilities and _switches_only(plan):
        capabilities |= {Capability.WEIGHTS}
    for capability, where in _needs(plan):
        if capability not in capabilities:
            remedy = _REMEDIES.get(capability, "use another backend")
            has = ", ".join(sorted(capabilities)) or "none"
            raise UnsupportedCapability(
                f"{plan.strategy} needs the capability {str(capability)!r} ({where}), "
                f"which this backend does not declare (it has: {has}): {remedy}"
            )


def _switches_only(plan: Plan) -> bool:
    """Whether at every step one revision has all traffic, or none has any."""
    splits = [step.split for step in plan.steps if isinstance(step, Shift)]
    return all(split is None or len(split.shares) == 1 for split in splits)


def _needs(plan: Plan) -> Iterator[tuple[Capability, str]]:
    for step in plan.steps:
        for capability in _of_step(step):
            yield capability, f"step {step.id!r}"
        if isinstance(step, Start) and not plan.exclusive(step.target):
            base = plan.base(step.target)
            if base.stable not in {None, step.revision}:
                yield Capability.REVISIONS, f"step {step.id!r}"
    for guard in plan.guards:
        if is_counted(guard.check) and isinstance(guard.source, RouterSource):
            yield Capability.COUNTERS, f"guard {guard.id!r}"
    routed = {step.target for step in plan.steps if isinstance(step, Shift)}
    for base in plan.bases:
        if base.target.id in routed and base.target.sticky:
            yield Capability.STICKY, f"target {base.target.id!r}"
        if base.target.id in routed and base.target.tls:
            yield Capability.TLS, f"target {base.target.id!r}"


def _of_step(step: Step) -> Iterator[Capability]:
    match step:
        case Shift():
            yield Capability.WEIGHTS
            if step.headers:
                yield Capability.HEADERS
            if step.mirror:
                yield Capability.MIRROR
        case Scale() | Drain(keep=int()):
            yield Capability.REPLICAS
        case Start(replicas=wanted) if wanted != 1:
            yield Capability.REPLICAS
        case Delegate():
            yield Capability.DELEGATED
            if step.shares:
                yield Capability.DELEGATED_SHARES
        case RunJob():
            yield Capability.JOBS
        case _:
            return
